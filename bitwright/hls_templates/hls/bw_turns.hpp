// SPDX-License-Identifier: Apache-2.0
// bw_turns.hpp: two buffers in turn: one is filled while the other one is emptied, in one loop.
#pragma once

#include "bw_stream.hpp"

namespace bw {

// Where a kernel stands that fills Count buffers with In words each and empties each of them in Out iterations. A
// buffer is emptied as soon as it is full, and a word that is not there is waited for only while none is.
template <int In, int Out, int Count>
struct Turns {
  static_assert(1LL * Count * (1LL * In + Out) < (1LL << 31), "a call must take fewer than 2^31 beats");
  static constexpr int Beats = Count * (In + Out);  // at most: where none is filled while another one is emptied
  Counter<In> entering = 0;                         // place in the buffer that is filled
  Counter<Out> leaving = 0;                         // iteration of the one that is emptied
  ap_uint<1> in_half = 0, out_half = 0;             // which one that is
  Counter<3> full = 0;                              // buffers that are
  Counter<Count + 1> filled = 0, emptied = 0;       // in all

  // Whether a buffer is emptied in this iteration.
  bool empties() const {
#pragma HLS INLINE
    return full != 0;
  }
  // Whether a word enters in this iteration; `none` is there.
  bool fills(bool none) const {
#pragma HLS INLINE
    return filled != Count && full != 2 && !(none && full != 0);
  }
  // After an iteration.
  void step(bool fills, bool empties) {
#pragma HLS INLINE
    if (fills) entering = after<In>(entering);
    if (empties) leaving = after<Out>(leaving);
    const bool one_more = fills && entering == 0, one_less = empties && leaving == 0;
    if (one_more) ++in_half, ++filled;
    if (one_less) ++out_half, ++emptied;
    if (one_more && !one_less) ++full;
    if (one_less && !one_more) --full;
  }
  bool are_over() const {
#pragma HLS INLINE
    return emptied == Count;
  }
};

}  // namespace bw
