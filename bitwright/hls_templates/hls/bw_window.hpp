// SPDX-License-Identifier: Apache-2.0
// bw_window.hpp: sliding window. Pixels in; for each output pixel its receptive field out.
//
// Rows go into a ring of RingRows rows. A phase serves one row of output pixels: it writes that row's fields while it
// reads the pixels that only the next row needs, at most one word in and one out per iteration. The phase of the last
// row reads the first rows of the next frame; while that has not begun, it goes on writing.
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
  static constexpr int OutRowWords = Spec::OutWidth * Spec::Blocks * Spec::KernelH * Spec::KernelW * Spec::Inner;

  // Input rows that must be there before output row `row` begins, one at least; after the last one, all.
  static constexpr int rows_for(int row) {
    const int rows = row * Spec::StrideH - Spec::PadTop + FieldRows;
    return row == Spec::OutHeight || rows > Spec::Height ? Spec::Height : rows < 1 ? 1 : rows;
  }
  // Words that are read while output row `row` is written, which only the next row needs.
  static constexpr long long reads(int row) { return 1LL * (rows_for(row + 1) - rows_for(row)) * RowWords; }
  // Iterations of the phases of all output rows but the last.
  static constexpr long long phases() {
    long long sum = 0;
    for (int row = 0; row < Spec::OutHeight - 1; ++row) sum += reads(row) > OutRowWords ? reads(row) : OutRowWords;
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
    const long long words = row < 0 ? 1LL * rows_for(0) * RowWords : reads(row);
    const long long beats = row < 0 || words > OutRowWords ? words : OutRowWords;
    for (int y = first; y < rows_for(row + 1); ++y) {
      const bool next = (y - top) % Spec::DilationH == 0 && y >= top;
      const long long fields = (y - top) / Spec::DilationH * Spec::KernelW * Spec::Inner + columns();
      const long long found = next ? beats - 1LL * (y - first) * RowWords + fields : OutRowWords + 1;
      if (found < least) least = found;
    }
    return least;
  }
  static constexpr long long least_distance() {
    long long least = 1LL * (FieldRows + Spec::StrideH) * RowWords;
    for (int row = -1; row < Spec::OutHeight - 1; ++row) least = distance_after(row, least);
    return least < 1 ? 1 : least;
  }
};

template <typename Spec>
struct WindowShape : WindowRows<Spec> {
  using Rows = WindowRows<Spec>;
  static constexpr int FirstRows = Rows::rows_for(0);  // of the image, before the first row of output
  static constexpr int LastTop = (Spec::OutHeight - 1) * Spec::StrideH - Spec::PadTop;  // row of the last fields
  static constexpr int Kept = Spec::Height - larger(LastTop, 0);  // rows from there on
  static constexpr int RingRows = larger(Rows::FieldRows + Spec::StrideH, Kept + FirstRows);
  // in the ring, from the top row of the last fields of a frame to that of the first ones of the next
  static constexpr int NextSlot = ((Spec::Height - Spec::PadTop - LastTop) % RingRows + RingRows) % RingRows;
  static constexpr int FirstSlot = (RingRows - Spec::PadTop % RingRows) % RingRows;  // of the first fields of all
  static constexpr int LastSlot = (FirstSlot + RingRows - NextSlot) % RingRows;      // as if a frame were before them
  static constexpr int Rest = Spec::Height - Rows::rows_for(Spec::OutHeight - 1);  // after the last fields have all
  static constexpr int MostRows = larger(Spec::Height, Rest + FirstRows);  // that a phase reads
  static constexpr long long LastReads = 1LL * (Rest + FirstRows) * Rows::RowWords;
  static constexpr long long LastPhase = LastReads > Rows::OutRowWords ? LastReads : Rows::OutRowWords;
  static constexpr int Beats = int(Rows::phases() + LastPhase);  // for a frame, where one follows the other
  static constexpr long long Alone =  // for one that none follows
      Rows::phases() + LastReads + larger(Rows::OutRowWords - Rest * Rows::RowWords, 0);
  static_assert(Alone < (1LL << 31), "a frame must take fewer than 2^31 beats");
  static_assert(Alone >= (1LL << 31) || Frames * Alone < (1LL << 31), "a call must take fewer than 2^31 beats");
  static constexpr int AllBeats = Frames * int(Alone);
  static constexpr int Distance = int(Rows::least_distance());
  // A ring whose words are read so soon that a memory's stages do not fit in between is made of registers.
  static constexpr int RowBanks = Distance < Near ? RingRows : 1;
  static constexpr int WordBanks = Distance < Near ? Rows::RowWords : 1;
  using InRows = Position<larger(Spec::PadTop, Spec::OutHeight * Spec::StrideH)>;
  using InColumns = Position<larger(Spec::PadLeft, Spec::OutWidth * Spec::StrideW)>;
};

// Each frame. Words out, slowest first: OutHeight, OutWidth, Blocks, KernelH, KernelW, Inner; a position in the padding
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

  Counter<Shape::RingRows> in_slot = 0;  // where the next word goes
  Counter<Shape::RowWords> in_word = 0;
  Counter<Shape::MostRows + 1> due = Shape::FirstRows;   // rows that are still to be read in this phase
  Counter<Frames + 1> begun = 0;                         // frames
  Counter<Shape::OutHeight> row = Shape::OutHeight - 1;  // output row of this phase
  bool writing = false;
  typename Shape::InRows top = -Shape::PadTop;      // top row of the fields, and its place in the ring
  Counter<Shape::RingRows> slot = Shape::LastSlot;
  typename Shape::InColumns left = -Shape::PadLeft;  // left column of this field, and its output pixel
  Counter<Shape::OutWidth> column = 0;
  Counter<Shape::Blocks> block = 0;  // within the field, as all below
  Counter<Shape::KernelH> ky = 0;
  Counter<Shape::KernelW> kx = 0;
  Counter<Shape::Inner> inner = 0;
beats:
  for (int beat = 0; beat < Shape::AllBeats; ++beat) {
#pragma HLS PIPELINE II=1 style=flp
    // A word is read in a later phase, at least Distance iterations after it was written.
#pragma HLS DEPENDENCE variable=ring type=inter direction=RAW distance=Shape::Distance true
    const bool last = row == Shape::OutHeight - 1;
    const bool begins = last && begun != Frames && due == Shape::FirstRows && in_word == 0;  // with the next word
    const bool reads = due != 0 && !(writing && begins && in.empty());
    if (writing) {
      const int y = top.to_int() + ky.to_int() * Shape::DilationH, x = left.to_int() + kx.to_int() * Shape::DilationW;
      const int below = slot.to_int() + ky.to_int() * Shape::DilationH;
      const int place = below < Shape::RingRows ? below : below - Shape::RingRows;
      const bool inside = y >= 0 && y < Shape::Height && x >= 0 && x < Shape::Width;
      out.write(inside ? ring[place][(x * Shape::Blocks + block.to_int()) * Shape::Inner + inner.to_int()] : padding);
      inner = after<Shape::Inner>(inner);
      if (inner == 0) {
        kx = after<Shape::KernelW>(kx);
        if (kx == 0) {
          ky = after<Shape::KernelH>(ky);
          if (ky == 0) {
            block = after<Shape::Blocks>(block);
            if (block == 0) {
              left += Shape::StrideW;
              column = after<Shape::OutWidth>(column);
              if (column == 0) {
                left = -Shape::PadLeft;
                writing = false;
              }
            }
          }
        }
      }
    }
    if (reads) {
      ring[in_slot][in_word] = in.read();
      in_word = after<Shape::RowWords>(in_word);
      if (in_word == 0) {
        in_slot = after<Shape::RingRows>(in_slot);
        --due;
      }
    }
    if (!writing && due == 0) {  // next phase
      if (last && begun == Frames) break;
      if (last) ++begun;
      const int next = slot.to_int() + (last ? Shape::NextSlot : Shape::StrideH);
      slot = next < Shape::RingRows ? next : next - Shape::RingRows;
      top = last ? -Shape::PadTop : top.to_int() + Shape::StrideH;
      row = after<Shape::OutHeight>(row);
      due = Shape::rows_for(row.to_int() + 1) - Shape::rows_for(row.to_int()) +
            (row == Shape::OutHeight - 1 && begun != Frames ? Shape::FirstRows : 0);
      writing = true;
    }
  }
}

}  // namespace bw
