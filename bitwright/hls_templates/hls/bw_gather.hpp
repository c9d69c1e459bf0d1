// SPDX-License-Identifier: Apache-2.0
// bw_gather.hpp: the one field of a window that covers its whole image, as a global pool reads it.
#pragma once

#include "bw_reorder.hpp"

namespace bw {

//   Spec  Pixels, Blocks, Inner (input words: Pixels x Blocks x Inner), Lanes; type T
template <typename Spec>
struct GatherShape : Spec {
  static_assert(Spec::Pixels > 0 && Spec::Blocks > 0 && Spec::Inner > 0, "the input is empty");
  static constexpr long long Words = 1LL * Spec::Pixels * Spec::Blocks * Spec::Inner;
  static_assert(Words < (1LL << 31), "a frame must take fewer than 2^31 beats");
  static constexpr int InBeats = int(Words);
  using Word = Vec<typename Spec::T, Spec::Lanes>;
};

template <typename Shape>
void gather_drain(const typename Shape::Word (&frame)[Shape::InBeats], hls::stream<typename Shape::Word> &out) {
blocks:
  for (int block = 0; block < Shape::Blocks; ++block) {
  pixels:
    for (int pixel = 0; pixel < Shape::Pixels; ++pixel) {
    beats:
      for (int inner = 0; inner < Shape::Inner; ++inner) {
#pragma HLS PIPELINE II=1 style=flp
#pragma HLS LOOP_FLATTEN
        out.write(frame[(pixel * Shape::Blocks + block) * Shape::Inner + inner]);
      }
    }
  }
}

// One frame: as many words out as in, slowest first: Blocks, Pixels, Inner. The frame buffer is doubled by DATAFLOW:
// the next frame enters while this one leaves, which the ring of `window` does not allow.
template <typename Shape>
void gather(hls::stream<typename Shape::Word> &in, hls::stream<typename Shape::Word> &out) {
#pragma HLS DATAFLOW
  typename Shape::Word frame[Shape::InBeats];
#pragma HLS AGGREGATE variable=frame
  reorder_fill<Shape>(in, frame);
  gather_drain<Shape>(frame, out);
}

}  // namespace bw
