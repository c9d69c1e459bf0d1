// SPDX-License-Identifier: Apache-2.0
// bw_fork.hpp: one stream to several readers.
#pragma once

#include "bw_stream.hpp"

namespace bw {

//   Spec  Beats (per frame), Lanes; type T
template <typename Spec>
struct ForkShape : Spec {
  using Word = Vec<typename Spec::T, Spec::Lanes>;
};

template <typename Word>
void write_all(const Word &word, hls::stream<Word> &out) {
#pragma HLS INLINE
  out.write(word);
}

template <typename Word, typename... Streams>
void write_all(const Word &word, hls::stream<Word> &out, Streams &...others) {
#pragma HLS INLINE
  out.write(word);
  write_all(word, others...);
}

// Each frame: every word of `in` to each of `outs`.
template <typename Shape, typename... Streams>
void fork(hls::stream<typename Shape::Word> &in, Streams &...outs) {
frames:
  for (int frame = 0; frame < Frames; ++frame) {
  beats:
    for (int beat = 0; beat < Shape::Beats; ++beat) {
#pragma HLS PIPELINE II=1 style=flp
#pragma HLS LOOP_FLATTEN
      const typename Shape::Word word = in.read();
      write_all(word, outs...);
    }
  }
}

}  // namespace bw
