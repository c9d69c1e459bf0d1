// SPDX-License-Identifier: Apache-2.0
// bw_sparse.hpp: matrix-vector unit that skips zeros by a schedule, y = W x with Ports x Pe x Simd products at a time.
#pragma once

#include "bw_mac.hpp"
#include "bw_rom.hpp"
#include "bw_turns.hpp"

namespace bw {

// What happens in one iteration: the weights, the beat of the vector that each port reads, and whether a row fold ends.
template <typename Spec>
struct SparseWord {
  Rom<typename Spec::Weight> weights[Spec::Ports][Spec::Pe][Spec::Simd];
  Rom<typename Spec::Beat> beats[Spec::Ports];
  Rom<ap_uint<1>> last;
};

// Row folds differ in length, so the styles of bw_mac.hpp are given one beat at a time: Cols are the products of a
// beat.
//   Spec  Vectors, RowFold, ColFold, Words (of the schedule), Distance (from a beat in to its first use, were the first
//         word in the iteration after the last beat in), Ports, Pe (accumulators of a port), Simd;
//         types X, Weight, Acc, Beat
template <typename Spec>
struct SparseShape : Spec {
  static_assert(Spec::Vectors > 0 && Spec::ColFold > 0, "there must be a vector");
  static_assert(Spec::Ports > 0 && Spec::Pe > 0 && Spec::Simd > 0, "ports, PE and SIMD must be positive");
  static_assert(Spec::RowFold > 0 && Spec::Words >= Spec::RowFold, "each row fold has a word");
  static constexpr int Cols = Spec::Simd;
  using Turn = Turns<Spec::ColFold, Spec::Words, Frames * Spec::Vectors>;
  static constexpr int AllBeats = Turn::Beats;
  static constexpr int Banks = Spec::Distance < Near ? Spec::ColFold : 1;  // registers, if a memory is too slow
  static constexpr int Halves = Banks > 1 ? 2 : 1;
  using Word = SparseWord<Spec>;
  using In = Vec<typename Spec::X, Spec::Simd>;
  using Out = Vec<typename Spec::Acc, Spec::Ports * Spec::Pe>;
};

// Each frame: Vectors times ColFold words in and RowFold words out. The next vector enters while this one is
// multiplied.
//   Mac        one of bw_mac.hpp: how a beat is multiplied and added
//   Schedule   Words words, the same for every vector
template <typename Shape, typename Mac, typename Schedule>
void sparse(hls::stream<typename Shape::In> &in, hls::stream<typename Shape::Out> &out) {
  typename Shape::In held[Shape::Ports][2][Shape::ColFold];  // a copy for each port
#pragma HLS AGGREGATE variable=held
#pragma HLS ARRAY_PARTITION variable=held complete dim=1
#pragma HLS ARRAY_PARTITION variable=held cyclic factor=Shape::Halves dim=2
#pragma HLS ARRAY_PARTITION variable=held cyclic factor=Shape::Banks dim=3
  Vec<typename Shape::Acc, Shape::Pe> acc[Shape::Ports];
#pragma HLS ARRAY_PARTITION variable=acc complete
clear:
  for (int place = 0; place < Shape::Ports * Shape::Pe; ++place) {
#pragma HLS UNROLL
    acc[place / Shape::Pe].lane[place % Shape::Pe] = 0;
  }
  typename Shape::Turn turns;
beats:
  for (int beat = 0; beat < Shape::AllBeats; ++beat) {
#pragma HLS PIPELINE II=1 style=flp
#pragma HLS DEPENDENCE variable=held type=inter direction=RAW distance=Shape::Distance true
    const bool empties = turns.empties(), fills = turns.fills(in.empty());
    if (empties) {
      const ap_uint<1> last = Schedule::at(turns.leaving).last;
      typename Shape::Out sums;
      for (int port = 0; port < Shape::Ports; ++port) {
#pragma HLS UNROLL
        const typename Shape::Beat from = Schedule::at(turns.leaving).beats[port];
        for (int pe = 0; pe < Shape::Pe; ++pe) {
#pragma HLS UNROLL
          acc[port].lane[pe] += Mac::start();
        }
        Mac::add(Schedule::at(turns.leaving).weights[port], held[port][turns.out_half][from.to_int()], acc[port]);
        for (int pe = 0; pe < Shape::Pe; ++pe) {
#pragma HLS UNROLL
          sums.lane[port * Shape::Pe + pe] = acc[port].lane[pe];
          if (last == 1) acc[port].lane[pe] = 0;
        }
      }
      if (last == 1) out.write(sums);
    }
    if (fills) {
      const typename Shape::In x = in.read();
      for (int port = 0; port < Shape::Ports; ++port) {
#pragma HLS UNROLL
        held[port][turns.in_half][turns.entering] = x;
      }
    }
    turns.step(fills, empties);
    if (turns.are_over()) break;
  }
}

}  // namespace bw
