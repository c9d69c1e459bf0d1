// SPDX-License-Identifier: Apache-2.0
// bw_packed.hpp: the words of large tables, several elements in a number, where bw_rom.hpp has them one by one.
#pragma once

#include "bw_rom.hpp"

namespace bw {

// Elements of `bits` in a number of up to 64: a power of two, so that an index splits into its bits.
constexpr int packed_for(int bits) { return bits > 32 ? 1 : 2 * packed_for(2 * bits); }

constexpr int times() { return 1; }

template <typename... Others>
constexpr int times(int first, Others... others) {
  return first * times(others...);
}

// N elements, as many as fit in each number, the first one in its lowest bits.
template <typename T, int N>
struct PackedNumbers {
  using Element = T;
  using Place = Counter<N>;
  static constexpr int Fit = packed_for(T::width);
  static constexpr int Each = Fit < N ? Fit : N;
  using Number = ap_uint<Each * T::width>;
  Rom<Number> numbers[(N + Each - 1) / Each];

  T at(int i) const {
#pragma HLS INLINE
    const Number number = numbers[i / Each];
    return bw::Element<T>::from_bits(number >> (i % Each * T::width));
  }
};

// What is left of an array behind its first indices: they have led to the place `first`.
template <typename Numbers, int Size, int... Inner>
struct PackedPart {
  Numbers all;
  typename Numbers::Place first;

  PackedPart<Numbers, Inner...> operator[](int i) const {
#pragma HLS INLINE
    return {all, typename Numbers::Place(first * Size + i)};
  }
};

template <typename Numbers, int Size>
struct PackedPart<Numbers, Size> {
  Numbers all;
  typename Numbers::Place first;

  typename Numbers::Element operator[](int i) const {
#pragma HLS INLINE
    return all.at((first * Size + i).to_int());
  }
};

// An array T[Size][Inner]... of which elements are read alone.
template <typename T, int Size, int... Inner>
struct Packed {
  using Numbers = PackedNumbers<T, times(Size, Inner...)>;
  Numbers all;

  PackedPart<Numbers, Inner...> operator[](int i) const {
#pragma HLS INLINE
    return {all, typename Numbers::Place(i)};
  }
};

template <typename T, int Size>
struct Packed<T, Size> {
  PackedNumbers<T, Size> all;

  T operator[](int i) const {
#pragma HLS INLINE
    return all.at(i);
  }
};

// A number of a table for itself: for synthesis as wide as it is, in a C simulation a plain integer.
#ifdef __SYNTHESIS__
template <typename T>
using Single = T;
#else
template <typename T>
using Single = decltype(Rom<T>::number);
#endif

// A word of the unit that selects: as SelectWord.
template <typename Shape>
struct PackedSelectWord {
  Packed<typename Shape::Weight, Shape::Pe, 1, Shape::Products> weights;
  Packed<typename Shape::Choice, Shape::Pe, Shape::Products> choices;
};

// A word of a schedule: as SparseWord.
template <typename Shape>
struct PackedSparseWord {
  Packed<typename Shape::Weight, Shape::Ports, Shape::Pe, Shape::Simd> weights;
  Packed<typename Shape::Beat, Shape::Ports> beats;
  Rom<ap_uint<1>> last;
};

}  // namespace bw
