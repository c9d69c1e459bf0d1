// SPDX-License-Identifier: Apache-2.0
// bw_window.hpp: sliding window. Pixels in; for each output pixel its receptive field out.
//
// Rows go into a ring of RingRows rows. A phase serves one row of output pixels: it writes that row's fields while it
// reads the pixels that only the next row needs, at most one word in and one out per iteration. The phase before the
// first row only reads.
#pragma once

#include "bw_stream.hpp"

namespace bw {

//   Spec  Height, Width, Blocks, Inner (input words: Height x Width x Blocks x Inner), KernelH, KernelW, StrideH,
//         StrideW, DilationH, DilationW, PadTop, PadLeft, OutHeight, OutWidth, PadValue, Lanes; type T
template <typename Spec>
struct WindowRows : Spec {
  static_assert(Spec::Height > 0 && Spec::Width > 0 && Spec::Blocks > 0 && Spec::Inner > 0, "the input is empty");
  static_assert(Spec::KernelH > 0 && Spec::KernelW > 0 && Spec::OutHeight > 0 && Spec::OutWidth > 0, "no output");
  static_assert(Spec::StrideH > 0 && Spec::StrideW > 0, "a stride must be positive");
  static_assert(Spec::DilationH > 0 && Spec::DilationW > 0, "a dilation must be positive");
  static_assert(Spec::PadTop >= 0 && Spec::PadLeft >= 0, "a pad must not be negative");
  static constexpr int PixelWords = Spec::Blocks * Spec::Inner;
  static constexpr int RowWords = Spec::Width * PixelWords;
  static constexpr int FieldRows = (Spec::KernelH - 1) * Spec::DilationH + 1;
  static constexpr int RingRows = FieldRows + Spec::StrideH;
  static constexpr int FirstSlot = (RingRows - Spec::PadTop % RingRows) % RingRows;  // of the first field's top row
  static constexpr int OutRowWords = Spec::OutWidth * Spec::Blocks * Spec::KernelH * Spec::KernelW * Spec::Inner;

  // Input rows that must be there before output row `row` begins; after the last one, all.
  static constexpr int rows_for(int row) {
    const int rows = row * Spec::StrideH - Spec::PadTop + FieldRows;
    return row == Spec::OutHeight || rows > Spec::Height ? Spec::Height : rows < 0 ? 0 : rows;
  }
  // Iterations of the phase that writes output row `row` and reads what the next one needs.
  static constexpr long long phase(int row) {
    const long long reads = 1LL * (rows_for(row + 1) - rows_for(row)) * RowWords;
    return reads > OutRowWords ? reads : OutRowWords;
  }
  static constexpr long long all_phases() {
    long long sum = 1LL * rows_for(0) * RowWords;
    for (int row = 0; row < Spec::OutHeight; ++row) sum += phase(row);
    return sum;
  }
  // Iterations from a new row's first word, were it the word at the start of its row, to the first field that holds it
  // at the same place; less what columns take: words come by one, fields by KernelH * KernelW for each one of them. The
  // newest column of a field is the nearest, of the first field or of the last, as fields or pixels are the faster.
  static constexpr long long columns() {
    const long long newest = 1LL * (Spec::KernelW - 1) * (Spec::Inner - Spec::DilationW * PixelWords);
    const long long later = 1LL * (Spec::OutWidth - 1) * PixelWords * (Spec::KernelH * Spec::KernelW - Spec::StrideW);
    return newest + 1LL * Spec::PadLeft * PixelWords + (later < 0 ? later : 0);
  }
  // The least iterations from the write of a ring's word in the phase of output row `row` to its read; a row between
  // dilated ones is read a phase later.
  static constexpr long long distance_after(int row, long long least) {
    const int first = row < 0 ? 0 : rows_for(row), top = (row + 1) * Spec::StrideH - Spec::PadTop;
    const long long beats = row < 0 ? 1LL * rows_for(0) * RowWords : phase(row);
    for (int y = first; y < rows_for(row + 1); ++y) {
      const bool next = (y - top) % Spec::DilationH == 0 && y >= top;
      const long long fields = (y - top) / Spec::DilationH * Spec::KernelW * Spec::Inner + columns();
      const long long found = next ? beats - 1LL * (y - first) * RowWords + fields : OutRowWords + 1;
      if (found < least) least = found;
    }
    return least;
  }
  static constexpr long long least_distance() {
    long long least = 1LL * RingRows * RowWords;
    for (int row = -1; row < Spec::OutHeight - 1; ++row) least = distance_after(row, least);
    return least < 1 ? 1 : least;
  }
};

template <typename Spec>
struct WindowShape : WindowRows<Spec> {
  static_assert(WindowRows<Spec>::all_phases() < (1LL << 31), "a frame must take fewer than 2^31 beats");
  static constexpr int Beats = int(WindowRows<Spec>::all_phases());
  static constexpr int Distance = int(WindowRows<Spec>::least_distance());
  // A ring whose words are read so soon that a memory's stages do not fit in between is made of registers.
  static constexpr int RowBanks = Distance < Near ? WindowRows<Spec>::RingRows : 1;
  static constexpr int WordBanks = Distance < Near ? WindowRows<Spec>::RowWords : 1;
};

// One frame. Words out, slowest first: OutHeight, OutWidth, Blocks, KernelH, KernelW, Inner; a position in the padding
// reads as PadValue in every lane.
template <typename Shape>
void window(hls::stream<Vec<typename Shape::T, Shape::Lanes>> &in,
            hls::stream<Vec<typename Shape::T, Shape::Lanes>> &out) {
  using T = typename Shape::T;
  Vec<T, Shape::Lanes> ring[Shape::RingRows][Shape::RowWords];
#pragma HLS AGGREGATE variable=ring
#pragma HLS ARRAY_PARTITION variable=ring cyclic factor=Shape::RowBanks dim=1
#pragma HLS ARRAY_PARTITION variable=ring cyclic factor=Shape::WordBanks dim=2
  Vec<T, Shape::Lanes> padding;
  for (int lane = 0; lane < Shape::Lanes; ++lane) {
#pragma HLS UNROLL
    padding.lane[lane] = Element<T>::of(Shape::PadValue);
  }

  int rows_in = 0, in_slot = 0, in_word = 0;  // whole rows read; where the next word goes
  int row = Shape::rows_for(0) > 0 ? -1 : 0;  // output row of this phase
  int rows_wanted = Shape::rows_for(row + 1);
  bool writing = row == 0;
  int top = -Shape::PadTop, slot = Shape::FirstSlot;  // top row of the fields, and its place in the ring
  int left = -Shape::PadLeft, column = 0;             // left column of this field, and its output pixel
  int block = 0, ky = 0, kx = 0, inner = 0;           // within the field
beats:
  for (int beat = 0; beat < Shape::Beats; ++beat) {
#pragma HLS PIPELINE II=1 style=flp
    // A word is read in a later phase, at least Distance iterations after it was written.
#pragma HLS DEPENDENCE variable=ring type=inter direction=RAW distance=Shape::Distance true
    if (writing) {
      const int y = top + ky * Shape::DilationH, x = left + kx * Shape::DilationW;
      const int below = slot + ky * Shape::DilationH;
      const int place = below < Shape::RingRows ? below : below - Shape::RingRows;
      const bool inside = y >= 0 && y < Shape::Height && x >= 0 && x < Shape::Width;
      out.write(inside ? ring[place][(x * Shape::Blocks + block) * Shape::Inner + inner] : padding);
      if (++inner == Shape::Inner) {
        inner = 0;
        if (++kx == Shape::KernelW) {
          kx = 0;
          if (++ky == Shape::KernelH) {
            ky = 0;
            if (++block == Shape::Blocks) {
              block = 0;
              left += Shape::StrideW;
              if (++column == Shape::OutWidth) {
                column = 0;
                left = -Shape::PadLeft;
                writing = false;
              }
            }
          }
        }
      }
    }
    if (rows_in < rows_wanted) {
      ring[in_slot][in_word] = in.read();
      if (++in_word == Shape::RowWords) {
        in_word = 0;
        ++rows_in;
        if (++in_slot == Shape::RingRows) in_slot = 0;
      }
    }
    if (!writing && rows_in == rows_wanted) {  // next phase
      if (row >= 0) {
        top += Shape::StrideH;
        slot += Shape::StrideH;
        if (slot >= Shape::RingRows) slot -= Shape::RingRows;
      }
      ++row;
      rows_wanted = Shape::rows_for(row + 1);
      writing = true;
    }
  }
}

}  // namespace bw
