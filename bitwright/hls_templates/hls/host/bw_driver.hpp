// SPDX-License-Identifier: Apache-2.0
// bw_driver.hpp: arrays of codes to and from internal words, frame by frame. For the plain C++ compiler only.
#pragma once

#include <cstdint>
#include <exception>
#include <string>

#include "../kernels/bw_axis.hpp"

namespace bw {

// Words of one frame from `codes`, which holds frames of Beats * Lanes codes.
template <typename Shape>
void put(const std::int64_t *codes, long long frame, hls::stream<Vec<typename Shape::T, Shape::Lanes>> &out) {
  codes += frame * Shape::Beats * Shape::Lanes;
  for (int beat = 0; beat < Shape::Beats; ++beat) {
    Vec<typename Shape::T, Shape::Lanes> word;
    for (int lane = 0; lane < Shape::Lanes; ++lane) word.lane[lane] = Element<typename Shape::T>::of(*codes++);
    out.write(word);
  }
}

// The codes of one frame into their place in `codes`.
template <typename Shape>
void get(hls::stream<Vec<typename Shape::T, Shape::Lanes>> &in, std::int64_t *codes, long long frame) {
  codes += frame * Shape::Beats * Shape::Lanes;
  for (int beat = 0; beat < Shape::Beats; ++beat) {
    const Vec<typename Shape::T, Shape::Lanes> word = in.read();
    for (int lane = 0; lane < Shape::Lanes; ++lane) *codes++ = value(word.lane[lane]).to_int64();
  }
}

// `run` for every frame; a null pointer, or what went wrong (valid until the next call).
template <typename Run>
const char *run_frames(long long frames, const Run &run) {
  static std::string failure;
  try {
    for (long long frame = 0; frame < frames; ++frame) run(frame);
  } catch (const std::exception &error) {
    failure = error.what();
    return failure.c_str();
  }
  return nullptr;
}

}  // namespace bw
