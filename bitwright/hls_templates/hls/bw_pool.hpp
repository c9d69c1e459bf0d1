// SPDX-License-Identifier: Apache-2.0
// bw_pool.hpp: the largest element of each window, lane by lane.
#pragma once

#include "bw_stream.hpp"

namespace bw {

//   Spec  Fold (words per window), Windows (per frame), Lanes; types X, Y
template <typename Spec>
struct PoolShape : Spec {
  static_assert(Spec::Fold > 0 && Spec::Windows > 0, "there must be a window");
  static_assert(1LL * Spec::Fold * Spec::Windows < (1LL << 31), "a frame must take fewer than 2^31 beats");
  static constexpr int Beats = Spec::Fold * Spec::Windows;
};

// One frame: Fold * Windows words in, Windows words out.
template <typename Shape>
void max_reduce(hls::stream<Vec<typename Shape::X, Shape::Lanes>> &in,
                hls::stream<Vec<typename Shape::Y, Shape::Lanes>> &out) {
  using Number = decltype(value(typename Shape::X()));
  Number best[Shape::Lanes];
#pragma HLS ARRAY_PARTITION variable=best complete
  int position = 0;  // within the window
beats:
  for (int beat = 0; beat < Shape::Beats; ++beat) {
#pragma HLS PIPELINE II=1
    const Vec<typename Shape::X, Shape::Lanes> x = in.read();
    Vec<typename Shape::Y, Shape::Lanes> y;
    for (int lane = 0; lane < Shape::Lanes; ++lane) {
#pragma HLS UNROLL
      const Number number = value(x.lane[lane]);
      if (position == 0 || number > best[lane]) best[lane] = number;
      y.lane[lane] = Element<typename Shape::Y>::of(best[lane]);
    }
    if (++position == Shape::Fold) {
      out.write(y);
      position = 0;
    }
  }
}

}  // namespace bw
