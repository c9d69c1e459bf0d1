// SPDX-License-Identifier: Apache-2.0
// bw_sparse.hpp: matrix-vector unit that skips zeros by a schedule, y = W x with Ports x Pe x Simd products at a time.
#pragma once

#include "bw_mac.hpp"
#include "bw_rom.hpp"

namespace bw {

// What happens in one iteration: the weights, the beat of the vector that each port reads, and whether a row fold ends.
template <typename Spec>
struct SparseWord {
  Rom<typename Spec::Weight> weights[Spec::Ports][Spec::Pe][Spec::Simd];
  Rom<typename Spec::Beat> beats[Spec::Ports];
  Rom<ap_uint<1>> last;
};

// Row folds differ in length, so the styles of bw_mac.hpp are given one beat at a time: Cols are the products of a beat.
//   Spec  Vectors, RowFold, ColFold, Words (of the schedule), Ports, Pe (accumulators of a port), Simd;
//         types X, Weight, Acc, Beat
template <typename Spec>
struct SparseShape : Spec {
  static_assert(Spec::Vectors > 0 && Spec::ColFold > 0, "there must be a vector");
  static_assert(Spec::Ports > 0 && Spec::Pe > 0 && Spec::Simd > 0, "ports, PE and SIMD must be positive");
  static_assert(Spec::RowFold > 0 && Spec::Words >= Spec::RowFold, "each row fold has a word");
  static constexpr int Cols = Spec::Simd;
  using Word = SparseWord<Spec>;
  using In = Vec<typename Spec::X, Spec::Simd>;
  using Out = Vec<typename Spec::Acc, Spec::Ports * Spec::Pe>;
};

// One vector in, a copy for each port.
template <typename Shape>
void sparse_load(hls::stream<typename Shape::In> &in, typename Shape::In (&vector)[Shape::Ports][Shape::ColFold]) {
beats:
  for (int beat = 0; beat < Shape::ColFold; ++beat) {
#pragma HLS PIPELINE II=1 style=flp
    const typename Shape::In x = in.read();
    for (int port = 0; port < Shape::Ports; ++port) {
#pragma HLS UNROLL
      vector[port][beat] = x;
    }
  }
}

// One vector by the schedule: a word out after each row fold.
template <typename Shape, typename Mac, typename Schedule>
void sparse_multiply(const typename Shape::In (&vector)[Shape::Ports][Shape::ColFold],
                     hls::stream<typename Shape::Out> &out) {
  Vec<typename Shape::Acc, Shape::Pe> acc[Shape::Ports];
#pragma HLS ARRAY_PARTITION variable=acc complete
clear:
  for (int place = 0; place < Shape::Ports * Shape::Pe; ++place) {
#pragma HLS UNROLL
    acc[place / Shape::Pe].lane[place % Shape::Pe] = 0;
  }
words:
  for (int word = 0; word < Shape::Words; ++word) {
#pragma HLS PIPELINE II=1 style=flp
    const ap_uint<1> last = Schedule::at(word).last;
    typename Shape::Out sums;
    for (int port = 0; port < Shape::Ports; ++port) {
#pragma HLS UNROLL
      const typename Shape::Beat beat = Schedule::at(word).beats[port];
      for (int pe = 0; pe < Shape::Pe; ++pe) {
#pragma HLS UNROLL
        acc[port].lane[pe] += Mac::start();
      }
      Mac::add(Schedule::at(word).weights[port], vector[port][beat.to_int()], acc[port]);
      for (int pe = 0; pe < Shape::Pe; ++pe) {
#pragma HLS UNROLL
        sums.lane[port * Shape::Pe + pe] = acc[port].lane[pe];
        if (last == 1) acc[port].lane[pe] = 0;
      }
    }
    if (last == 1) out.write(sums);
  }
}

// One frame: Vectors times ColFold words in and RowFold words out. The copies of a vector are doubled by DATAFLOW: the
// next vector enters while this one is multiplied.
//   Mac        one of bw_mac.hpp: how a beat is multiplied and added
//   Schedule   Words words, the same for every vector
template <typename Shape, typename Mac, typename Schedule>
void sparse(hls::stream<typename Shape::In> &in, hls::stream<typename Shape::Out> &out) {
vectors:
  for (int vector = 0; vector < Shape::Vectors; ++vector) {
#pragma HLS DATAFLOW
    typename Shape::In copies[Shape::Ports][Shape::ColFold];
#pragma HLS ARRAY_PARTITION variable=copies complete dim=1
#pragma HLS AGGREGATE variable=copies
    sparse_load<Shape>(in, copies);
    sparse_multiply<Shape, Mac, Schedule>(copies, out);
  }
}

}  // namespace bw
