// SPDX-License-Identifier: Apache-2.0
// bw_mvu.hpp: matrix-vector unit, y = W x with Pe x Simd products at a time. Folding decides area against speed.
#pragma once

#include "bw_mac.hpp"
#include "bw_rom.hpp"

namespace bw {

// Shape and folding of one layer. Every derived size is stated here, once, and checked here, once.
//   Spec  Vectors, Groups, Rows, Cols, Pe, Simd; types X, Weight, Acc
template <typename Spec>
struct MvuShape : Spec {
  static_assert(Spec::Vectors > 0 && Spec::Groups > 0, "there must be a vector and a matrix");
  static_assert(Spec::Pe > 0 && Spec::Simd > 0, "PE and SIMD must be positive");
  static_assert(Spec::Rows % Spec::Pe == 0, "PE must divide the number of rows");
  static_assert(Spec::Cols % Spec::Simd == 0, "SIMD must divide the number of columns");
  static constexpr int RowFold = Spec::Rows / Spec::Pe;
  static constexpr int ColFold = Spec::Cols / Spec::Simd;
  static constexpr int Words = Spec::Groups * RowFold * ColFold;
  static_assert(1LL * Spec::Vectors * Words < (1LL << 31), "a frame must take fewer than 2^31 beats");
  static constexpr int Beats = Spec::Vectors * Words;
  static constexpr int ColBanks = ColFold < Near ? ColFold : 1;  // registers, where a memory's stages do not fit
};

// Each frame: Vectors times, for each of Groups matrices, ColFold words in and RowFold words out; Beats iterations.
//   X, Weight  elements; bipolar ones are one bit wide
//   Acc        exact accumulator type: it holds the sum of a fold (the generator proves its range)
//   Mac        one of bw_mac.hpp: how a beat is multiplied and added
//   Weights    words of [Pe][Simd], by group, row fold, column fold: the order in which they are used
template <typename Shape, typename Mac, typename Weights>
void mvu(hls::stream<Vec<typename Shape::X, Shape::Simd>> &in,
         hls::stream<Vec<typename Shape::Acc, Shape::Pe>> &out) {
  using X = Vec<typename Shape::X, Shape::Simd>;
  using Acc = typename Shape::Acc;
  X held[Shape::ColFold];  // the input vector, kept for the later row folds
#pragma HLS AGGREGATE variable=held
#pragma HLS ARRAY_PARTITION variable=held cyclic factor=Shape::ColBanks
  Vec<Acc, Shape::Pe> acc;
#pragma HLS ARRAY_PARTITION variable=acc.lane complete
  const Acc start = Mac::start();
clear:
  for (int pe = 0; pe < Shape::Pe; ++pe) {
#pragma HLS UNROLL
    acc.lane[pe] = start;
  }

  // A perfect nest, flattened into one loop: the pipeline never drains between rows.
frames:
  for (int frame = 0; frame < Frames; ++frame) {
  vectors:
    for (int vector = 0; vector < Shape::Vectors; ++vector) {
    groups:
      for (int group = 0; group < Shape::Groups; ++group) {
      rows:
        for (int row = 0; row < Shape::RowFold; ++row) {
        beats:
          for (int col = 0; col < Shape::ColFold; ++col) {
#pragma HLS PIPELINE II=1 style=flp
#pragma HLS LOOP_FLATTEN
#pragma HLS DEPENDENCE variable=held type=inter direction=RAW distance=Shape::ColFold true
            const X x = row == 0 ? in.read() : held[col];
            if (row == 0) held[col] = x;
            const int word = (group * Shape::RowFold + row) * Shape::ColFold + col;
            Mac::add(Weights::at(word), x, acc);
            if (col == Shape::ColFold - 1) {
              out.write(acc);
              for (int pe = 0; pe < Shape::Pe; ++pe) {
#pragma HLS UNROLL
                acc.lane[pe] = start;
              }
            }
          }
        }
      }
    }
  }
}

}  // namespace bw
