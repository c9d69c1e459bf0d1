// SPDX-License-Identifier: Apache-2.0
// bw_stream.hpp: what travels on a stream, and how its bits are read as numbers.
//
//   unsigned   ap_uint<W>    plain binary
//   signed     ap_int<W>     two's complement
//   bipolar    bw::Bipolar   one bit: 0 is -1, 1 is +1
#pragma once

#include <ap_int.h>
#include <hls_stream.h>

namespace bw {

// Frames that a call of a kernel passes. A loop over them stands right around the loop of a frame, so that the tool
// makes one of the two and a pipeline goes on from frame to frame; a result waits for no later frame.
#ifdef BW_FRAMES
constexpr int Frames = BW_FRAMES;
#else
constexpr int Frames = 1;
#endif

// Iterations between a write and a read of the same place within which a memory's stages may not fit.
constexpr int Near = 8;

// Bits of a number from 0 to `most`: at least one.
constexpr int bits_for(int most) { return most > 1 ? 1 + bits_for(most / 2) : 1; }

// Counts from 0 to N - 1, as wide as that takes. N itself may not fit: it is compared with N - 1 before it steps.
template <int N>
using Counter = ap_uint<bits_for(N - 1)>;

// What comes after `count`: 0 after N - 1.
template <int N>
Counter<N> after(const Counter<N> &count) {
#pragma HLS INLINE
  return count == N - 1 ? Counter<N>(0) : Counter<N>(count + 1);
}

// A row or a column of an image of which at most N lie on either side of its edge: from -N to N.
template <int N>
using Position = ap_int<bits_for(N) + 1>;

constexpr int larger(int a, int b) { return a > b ? a : b; }

// Lanes of one stream word; lane 0 in the least significant bits.
template <typename T, int N>
struct Vec {
  static_assert(N > 0, "a word needs at least one lane");
  T lane[N];
};

struct Bipolar {
  static constexpr int width = 1;
  ap_uint<1> bit;
};

// The number that an element stands for.
template <typename T>
T value(const T &element) {
#pragma HLS INLINE
  return element;
}

inline ap_int<2> value(const Bipolar &element) {
#pragma HLS INLINE
  return element.bit == 1 ? ap_int<2>(1) : ap_int<2>(-1);
}

// Between elements of type T, numbers, and the integer whose bits travel (which extends by its sign, if it has one).
template <typename T>
struct Element {
  template <typename Number>
  static T of(Number number) {
#pragma HLS INLINE
    return T(number);
  }
  static T raw(const T &element) {
#pragma HLS INLINE
    return element;
  }
  static T from_bits(const ap_uint<T::width> &bits) {
#pragma HLS INLINE
    return T(bits);
  }
};

template <>
struct Element<Bipolar> {
  template <typename Number>
  static Bipolar of(Number number) {
#pragma HLS INLINE
    return from_bits(number > 0 ? 1 : 0);
  }
  static ap_uint<1> raw(const Bipolar &element) {
#pragma HLS INLINE
    return element.bit;
  }
  static Bipolar from_bits(const ap_uint<1> &bit) {
#pragma HLS INLINE
    Bipolar element;
    element.bit = bit;
    return element;
  }
};

}  // namespace bw
