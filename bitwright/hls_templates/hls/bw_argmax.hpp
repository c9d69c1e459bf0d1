// SPDX-License-Identifier: Apache-2.0
// bw_argmax.hpp: the place of the largest channel of each pixel.
#pragma once

#include "bw_stream.hpp"

namespace bw {

//   Spec  Fold (words per pixel), Pixels (per frame), Lanes, Last (1: the last of equals wins, 0: the first);
//         types X, Y (a place)
template <typename Spec>
struct ArgMaxShape : Spec {
  static_assert(Spec::Fold > 0 && Spec::Pixels > 0 && Spec::Lanes > 0, "there must be a channel");
  static_assert(Spec::Last == 0 || Spec::Last == 1, "Last says which of equals wins: 0 or 1");
  static_assert(1LL * Spec::Fold * Spec::Pixels < (1LL << 31), "a frame must take fewer than 2^31 beats");
  static_assert(1LL * Spec::Fold * Spec::Lanes <= (1LL << Spec::Y::width), "Y must hold every place");
  static constexpr int Beats = Spec::Fold * Spec::Pixels;
};

// A number and its place.
template <typename Shape>
struct Placed {
  using Number = decltype(value(typename Shape::X()));
  Number number;
  typename Shape::Y place;

  // Whether this one wins over one of an earlier place.
  bool beats(const Placed &earlier) const {
#pragma HLS INLINE
    return number > earlier.number || (Shape::Last == 1 && number == earlier.number);
  }
};

// The winner among the Count lanes of a word from First on: a tree of comparisons.
template <typename Shape, int First, int Count>
struct Winner {
  static Placed<Shape> of(const Vec<typename Shape::X, Shape::Lanes> &x) {
#pragma HLS INLINE
    const Placed<Shape> low = Winner<Shape, First, Count / 2>::of(x);
    const Placed<Shape> high = Winner<Shape, First + Count / 2, Count - Count / 2>::of(x);
    return high.beats(low) ? high : low;
  }
};

template <typename Shape, int First>
struct Winner<Shape, First, 1> {
  static Placed<Shape> of(const Vec<typename Shape::X, Shape::Lanes> &x) {
#pragma HLS INLINE
    Placed<Shape> only;
    only.number = value(x.lane[First]);
    only.place = First;
    return only;
  }
};

// One frame: Fold * Pixels words in, the places of Pixels pixels out.
template <typename Shape>
void argmax_reduce(hls::stream<Vec<typename Shape::X, Shape::Lanes>> &in,
                   hls::stream<Vec<typename Shape::Y, 1>> &out) {
  Placed<Shape> best;
  int position = 0;  // of the word within the pixel
beats:
  for (int beat = 0; beat < Shape::Beats; ++beat) {
#pragma HLS PIPELINE II=1
    const Vec<typename Shape::X, Shape::Lanes> x = in.read();
    Placed<Shape> found = Winner<Shape, 0, Shape::Lanes>::of(x);
    found.place += position * Shape::Lanes;
    if (position == 0 || found.beats(best)) best = found;
    if (++position == Shape::Fold) {
      Vec<typename Shape::Y, 1> y;
      y.lane[0] = best.place;
      out.write(y);
      position = 0;
    }
  }
}

}  // namespace bw
