// SPDX-License-Identifier: Apache-2.0
// bw_rom.hpp: the elements of a constant table, one by one or packed.
//
// For synthesis it is the element itself, as wide as it is. A C simulation
// gets an aggregate of one plain integer, which static initialisation takes: an integer class has a constructor, and a
// call of it for each of a million weights costs minutes to compile.
#pragma once

#include <type_traits>

#include "bw_stream.hpp"

namespace bw {

#ifdef __SYNTHESIS__

template <typename T>
using Rom = T;

#else

// The plain integer that holds W bits.
template <int W, typename Small, typename Middle, typename Large, typename Huge>
struct Plain {
  static_assert(W <= 64, "an element of a table has at most 64 bits");
  using Word = typename std::conditional<W <= 8, Small, Middle>::type;
  using Long = typename std::conditional<W <= 32, Large, Huge>::type;
  using type = typename std::conditional<W <= 16, Word, Long>::type;
};

template <typename T>
struct Rom;

template <int W>
struct Rom<ap_int<W>> {
  typename Plain<W, signed char, short, int, long long>::type number;
  operator ap_int<W>() const { return number; }
};

template <int W>
struct Rom<ap_uint<W>> {
  typename Plain<W, unsigned char, unsigned short, unsigned, unsigned long long>::type number;
  operator ap_uint<W>() const { return number; }
};

template <>
struct Rom<Bipolar> {
  unsigned char bit;
  operator Bipolar() const { return Element<Bipolar>::from_bits(bit); }
};

#endif

// The elements of a table's word, cut out of packed ones.
template <typename T, int R, int C>
struct Unpacked {
  using Element = T;
  static constexpr int Rows = R, Cols = C;
  T lane[Rows][Cols];

  const T (&operator[](int row) const)[Cols] {
#pragma HLS INLINE
    return lane[row];
  }
};

// Word is an Unpacked: its elements in order, as many in each of `packed`, the first one in the lowest bits.
template <typename Word, typename Packed, int Count>
Word unpacked(const Packed (&packed)[Count]) {
#pragma HLS INLINE
  using T = typename Word::Element;
  constexpr int Each = Word::Rows * Word::Cols / Count;
  Word word;
#pragma HLS ARRAY_PARTITION variable=word.lane complete dim=0
  for (int i = 0; i < Word::Rows * Word::Cols; ++i) {
#pragma HLS UNROLL
    const ap_uint<Each * T::width> bits = packed[i / Each];
    word.lane[i / Word::Cols][i % Word::Cols] = Element<T>::from_bits(bits >> (i % Each * T::width));
  }
  return word;
}

}  // namespace bw
