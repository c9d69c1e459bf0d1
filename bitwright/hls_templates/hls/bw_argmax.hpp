// SPDX-License-Identifier: Apache-2.0
// bw_argmax.hpp: the place of the largest channel of each pixel.
#pragma once

#include "bw_stream.hpp"

namespace bw {

// Levels of a tree of comparisons.
constexpr int tree_levels(int leaves) { return leaves > 1 ? 1 + tree_levels((leaves + 1) / 2) : 0; }

//   Spec  Fold (words per pixel), Pixels (per frame), Lanes, Last (1: the last of equals wins, 0: the first);
//         types X, Y (a place)
template <typename Spec>
struct ArgMaxShape : Spec {
  static_assert(Spec::Fold > 0 && Spec::Pixels > 0 && Spec::Lanes > 0, "there must be a channel");
  static_assert(Spec::Last == 0 || Spec::Last == 1, "Last says which of equals wins: 0 or 1");
  static_assert(1LL * Spec::Fold * Spec::Pixels < (1LL << 31), "a frame must take fewer than 2^31 beats");
  static_assert(1LL * Spec::Fold * Spec::Lanes <= (1LL << Spec::Y::width), "Y must hold every place");
  static constexpr int Beats = Spec::Fold * Spec::Pixels, Channels = Spec::Fold * Spec::Lanes;
  static constexpr int Levels = tree_levels(Spec::Lanes);
};

// A number and its place.
template <typename Shape>
struct Placed {
  using Number = decltype(value(typename Shape::X()));
  Number number;
  typename Shape::Y place;

  // Whether this one wins over one of an earlier place.
  bool wins_over(const Placed &earlier) const {
#pragma HLS INLINE
    return number > earlier.number || (Shape::Last == 1 && number == earlier.number);
  }
};

// The winner among the lanes of a word: in level l of a tree, lanes 2^l apart meet.
template <typename Shape>
Placed<Shape> winner(const Vec<typename Shape::X, Shape::Lanes> &x) {
#pragma HLS INLINE
  Placed<Shape> found[Shape::Lanes];
#pragma HLS ARRAY_PARTITION variable=found complete
  for (int lane = 0; lane < Shape::Lanes; ++lane) {
#pragma HLS UNROLL
    found[lane].number = value(x.lane[lane]);
    found[lane].place = lane;
  }
  for (int level = 0; level < Shape::Levels; ++level) {
#pragma HLS UNROLL
    for (int lane = 0; lane < Shape::Lanes; ++lane) {
#pragma HLS UNROLL
      const int other = lane + (1 << level);
      const bool meet = (lane & ((2 << level) - 1)) == 0 && other < Shape::Lanes;
      if (meet && found[other].wins_over(found[lane])) found[lane] = found[other];
    }
  }
  return found[0];
}

// Each frame: Fold * Pixels words in, the places of Pixels pixels out.
template <typename Shape>
void argmax_reduce(hls::stream<Vec<typename Shape::X, Shape::Lanes>> &in,
                   hls::stream<Vec<typename Shape::Y, 1>> &out) {
  Placed<Shape> best;
  Counter<Shape::Channels> base = 0;  // the place of lane 0
frames:
  for (int frame = 0; frame < Frames; ++frame) {
  beats:
    for (int beat = 0; beat < Shape::Beats; ++beat) {
#pragma HLS PIPELINE II=1 style=flp
#pragma HLS LOOP_FLATTEN
      const Vec<typename Shape::X, Shape::Lanes> x = in.read();
      Placed<Shape> found = winner<Shape>(x);
      found.place += base;
      if (base == 0 || found.wins_over(best)) best = found;
      if (base == Shape::Channels - Shape::Lanes) {
        Vec<typename Shape::Y, 1> y;
        y.lane[0] = best.place;
        out.write(y);
        base = 0;
      } else {
        base += Shape::Lanes;
      }
    }
  }
}

}  // namespace bw
