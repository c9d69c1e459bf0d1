// SPDX-License-Identifier: Apache-2.0
// bw_pool.hpp: the largest element of each window, or the sum of its elements, lane by lane.
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

// Each frame: Fold * Windows words in, the maxima of Windows windows out.
template <typename Shape>
void max_reduce(hls::stream<Vec<typename Shape::X, Shape::Lanes>> &in,
                hls::stream<Vec<typename Shape::Y, Shape::Lanes>> &out) {
  using Number = decltype(value(typename Shape::X()));
  Number best[Shape::Lanes];
#pragma HLS ARRAY_PARTITION variable=best complete
  Counter<Shape::Fold> position = 0;  // within the window
frames:
  for (int frame = 0; frame < Frames; ++frame) {
  beats:
    for (int beat = 0; beat < Shape::Beats; ++beat) {
#pragma HLS PIPELINE II=1 style=flp
#pragma HLS LOOP_FLATTEN
      const Vec<typename Shape::X, Shape::Lanes> x = in.read();
      Vec<typename Shape::Y, Shape::Lanes> y;
      for (int lane = 0; lane < Shape::Lanes; ++lane) {
#pragma HLS UNROLL
        const Number number = value(x.lane[lane]);
        if (position == 0 || number > best[lane]) best[lane] = number;
        y.lane[lane] = Element<typename Shape::Y>::of(best[lane]);
      }
      if (position == Shape::Fold - 1) {
        out.write(y);
        position = 0;
      } else {
        ++position;
      }
    }
  }
}

// Each frame: Fold * Windows words in, the sums of Windows windows out; Y is exact for them.
template <typename Shape>
void sum_reduce(hls::stream<Vec<typename Shape::X, Shape::Lanes>> &in,
                hls::stream<Vec<typename Shape::Y, Shape::Lanes>> &out) {
  Vec<typename Shape::Y, Shape::Lanes> sum;
#pragma HLS ARRAY_PARTITION variable=sum.lane complete
  Counter<Shape::Fold> position = 0;  // within the window
frames:
  for (int frame = 0; frame < Frames; ++frame) {
  beats:
    for (int beat = 0; beat < Shape::Beats; ++beat) {
#pragma HLS PIPELINE II=1 style=flp
#pragma HLS LOOP_FLATTEN
      const Vec<typename Shape::X, Shape::Lanes> x = in.read();
      for (int lane = 0; lane < Shape::Lanes; ++lane) {
#pragma HLS UNROLL
        if (position == 0) sum.lane[lane] = 0;
        sum.lane[lane] += value(x.lane[lane]);
      }
      if (position == Shape::Fold - 1) {
        out.write(sum);
        position = 0;
      } else {
        ++position;
      }
    }
  }
}

}  // namespace bw
