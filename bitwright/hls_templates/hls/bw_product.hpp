// SPDX-License-Identifier: Apache-2.0
// bw_product.hpp: weight times input, whatever either of them is.
#pragma once

#include "bw_stream.hpp"

namespace bw {

// What one multiplier computes; a bipolar operand costs an XNOR or a sign, no multiplier.
template <typename W, typename X>
auto product(const W &w, const X &x) -> decltype(w * x) {
#pragma HLS INLINE
  return w * x;
}

template <typename X>
auto product(const Bipolar &w, const X &x) -> decltype(-x) {
#pragma HLS INLINE
  using Result = decltype(-x);
  return w.bit == 1 ? Result(x) : Result(-x);
}

template <typename W>
auto product(const W &w, const Bipolar &x) -> decltype(-w) {
#pragma HLS INLINE
  return product(x, w);
}

inline ap_int<2> product(const Bipolar &w, const Bipolar &x) {
#pragma HLS INLINE
  return w.bit == x.bit ? ap_int<2>(1) : ap_int<2>(-1);
}

}  // namespace bw
