// SPDX-License-Identifier: Apache-2.0
// bw_depthwise.hpp: depthwise unit, every channel times its own kernels; Lanes channels and Simd positions per word.
#pragma once

#include "bw_product.hpp"
#include "bw_rom.hpp"

namespace bw {

// Shape and folding of one layer. Every derived size is stated here, once, and checked here, once.
//   Spec  Pixels, Blocks (words of channels), Fold (words per field), Lanes, Multiplier (kernels per channel), Simd;
//         types X, Weight, Acc
template <typename Spec>
struct DepthwiseShape : Spec {
  static_assert(Spec::Pixels > 0 && Spec::Blocks > 0 && Spec::Fold > 0, "there must be a pixel and a channel");
  static_assert(Spec::Lanes > 0 && Spec::Multiplier > 0 && Spec::Simd > 0, "lanes must be positive");
  static constexpr int Pe = Spec::Lanes * Spec::Multiplier;
  static constexpr int Words = Spec::Blocks * Spec::Fold;
  static_assert(1LL * Spec::Pixels * Words < (1LL << 31), "a frame must take fewer than 2^31 beats");
  static constexpr int Beats = Spec::Pixels * Words;
};

// Each frame: Pixels times, for each of Blocks words of channels, Fold words in and one word out; Beats iterations.
//   in         element [k][c] of a word, position and channel, at k * Lanes + c
//   out        accumulators [c][r], r the kernel of a channel; exact (the generator proves their range)
//   Weights    words of [c][r], [k], by block and by word of the field: the order in which they are used
template <typename Shape, typename Weights>
void depthwise(hls::stream<Vec<typename Shape::X, Shape::Simd * Shape::Lanes>> &in,
               hls::stream<Vec<typename Shape::Acc, Shape::Pe>> &out) {
  Vec<typename Shape::Acc, Shape::Pe> acc;
#pragma HLS ARRAY_PARTITION variable=acc.lane complete
  Counter<Shape::Words> word = 0;     // of the weights
  Counter<Shape::Fold> position = 0;  // within the field
frames:
  for (int frame = 0; frame < Frames; ++frame) {
  beats:
    for (int beat = 0; beat < Shape::Beats; ++beat) {
#pragma HLS PIPELINE II=1 style=flp
#pragma HLS LOOP_FLATTEN
      const Vec<typename Shape::X, Shape::Simd * Shape::Lanes> x = in.read();
      const auto &weights = Weights::at(word);
      for (int pe = 0; pe < Shape::Pe; ++pe) {
#pragma HLS UNROLL
        typename Shape::Acc sum = position == 0 ? typename Shape::Acc(0) : acc.lane[pe];
        for (int k = 0; k < Shape::Simd; ++k) {
#pragma HLS UNROLL
          const typename Shape::Weight weight = weights[pe][k];
          sum += product(weight, x.lane[k * Shape::Lanes + pe / Shape::Multiplier]);
        }
        acc.lane[pe] = sum;
      }
      word = after<Shape::Words>(word);
      if (position == Shape::Fold - 1) {
        out.write(acc);
        position = 0;
      } else {
        ++position;
      }
    }
  }
}

}  // namespace bw
