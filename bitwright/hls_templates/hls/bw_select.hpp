// SPDX-License-Identifier: Apache-2.0
// bw_select.hpp: matrix-vector unit for n-of-m weights, y = W x: of m neighbours a row multiplies the n that it chooses.
#pragma once

#include "bw_mac.hpp"
#include "bw_rom.hpp"

namespace bw {

// A beat for all Pe rows: the weights, and the places of their elements among their neighbours.
template <typename Spec, int Products>
struct SelectWord {
  Rom<typename Spec::Weight> weights[Spec::Pe][1][Products];
  Rom<typename Spec::Choice> choices[Spec::Pe][Products];
};

// Rows select different elements, so the styles of bw_mac.hpp are given one row at a time.
//   Spec  Vectors, Groups, Rows, Columns, Pe; Sets of Of neighbours in a beat, of which Kept are multiplied;
//         types X, Weight, Acc, Choice
template <typename Spec>
struct SelectShape : Spec {
  static_assert(Spec::Vectors > 0 && Spec::Groups > 0, "there must be a vector and a matrix");
  static_assert(Spec::Pe > 0 && Spec::Sets > 0, "PE and sets must be positive");
  static_assert(0 < Spec::Kept && Spec::Kept < Spec::Of, "some of the neighbours are multiplied, not all");
  static constexpr int Simd = Spec::Sets * Spec::Of, Products = Spec::Sets * Spec::Kept;
  static_assert(Spec::Rows % Spec::Pe == 0, "PE must divide the number of rows");
  static_assert(Spec::Columns % Simd == 0, "a beat must divide the columns");
  static constexpr int RowFold = Spec::Rows / Spec::Pe;
  static constexpr int ColFold = Spec::Columns / Simd;
  static constexpr int Words = Spec::Groups * RowFold * ColFold;
  static_assert(1LL * Spec::Vectors * Words < (1LL << 31), "a frame must take fewer than 2^31 beats");
  static constexpr int Beats = Spec::Vectors * Words;
  static constexpr int ColBanks = ColFold < Near ? ColFold : 1;  // registers, where a memory's stages do not fit
  struct Row : Spec {
    static constexpr int Pe = 1, Simd = Products, Cols = ColFold * Products;
  };
  using Word = SelectWord<Spec, Products>;
  using In = Vec<typename Spec::X, Simd>;
  using Out = Vec<typename Spec::Acc, Spec::Pe>;
};

// Each frame: Vectors times, for each of Groups matrices, ColFold words in and RowFold words out.
//   Mac        one of bw_mac.hpp for Shape::Row: how the products of a row are multiplied and added
//   Weights    Words words, by group, row fold, column fold: the order in which they are used
template <typename Shape, typename Mac, typename Weights>
void select(hls::stream<typename Shape::In> &in, hls::stream<typename Shape::Out> &out) {
  using In = typename Shape::In;
  using Acc = typename Shape::Acc;
  In held[Shape::ColFold];  // the input vector, kept for the later row folds
#pragma HLS AGGREGATE variable=held
#pragma HLS ARRAY_PARTITION variable=held cyclic factor=Shape::ColBanks
  Vec<Acc, 1> acc[Shape::Pe];
#pragma HLS ARRAY_PARTITION variable=acc complete
  const Acc start = Mac::start();
clear:
  for (int pe = 0; pe < Shape::Pe; ++pe) {
#pragma HLS UNROLL
    acc[pe].lane[0] = start;
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
            const In x = row == 0 ? in.read() : held[col];
            if (row == 0) held[col] = x;
            const int word = (group * Shape::RowFold + row) * Shape::ColFold + col;
            typename Shape::Out sums;
            for (int pe = 0; pe < Shape::Pe; ++pe) {
#pragma HLS UNROLL
              Vec<typename Shape::X, Shape::Products> chosen;
              for (int i = 0; i < Shape::Products; ++i) {
#pragma HLS UNROLL
                const typename Shape::Choice choice = Weights::at(word).choices[pe][i];
                chosen.lane[i] = x.lane[i / Shape::Kept * Shape::Of + choice.to_int()];
              }
              Mac::add(Weights::at(word).weights[pe], chosen, acc[pe]);
              sums.lane[pe] = acc[pe].lane[0];
              if (col == Shape::ColFold - 1) acc[pe].lane[0] = start;
            }
            if (col == Shape::ColFold - 1) out.write(sums);
          }
        }
      }
    }
  }
}

}  // namespace bw
