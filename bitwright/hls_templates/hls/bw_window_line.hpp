// SPDX-License-Identifier: Apache-2.0
// bw_window_line.hpp: sliding window with a tap for every kernel position: a whole receptive field per word.
//
// Words are shifted through a line whose taps lie at fixed distances; counters say which taps are in the image. A field
// in the padding below it is complete behind the frame, where the line is shifted by words of the next frame, or by
// nothing while that has not begun.
#pragma once

#include "bw_stream.hpp"

namespace bw {

//   Spec  Height, Width, Blocks (input words: Height x Width x Blocks), KernelH, KernelW, StrideH, StrideW, DilationH,
//         DilationW, PadTop, PadLeft, OutHeight, OutWidth, PadValue, Lanes; type T
template <typename Spec>
struct LineShape : Spec {
  static_assert(Spec::Height > 0 && Spec::Width > 0 && Spec::Blocks > 0, "the input is empty");
  static_assert(Spec::KernelH > 0 && Spec::KernelW > 0 && Spec::OutHeight > 0 && Spec::OutWidth > 0, "no output");
  static_assert(Spec::StrideH > 0 && Spec::StrideW > 0, "a stride must be positive");
  static_assert(Spec::DilationH > 0 && Spec::DilationW > 0, "a dilation must be positive");
  static_assert(1LL * (Spec::Height + Spec::OutHeight * Spec::StrideH + Spec::KernelH * Spec::DilationH) * Spec::Width *
                Spec::Blocks < (1LL << 31), "a frame must take fewer than 2^31 beats");
  static constexpr int Field = Spec::KernelH * Spec::KernelW * Spec::Lanes;
  static constexpr int Across = (Spec::KernelW - 1) * Spec::DilationW;      // pixels from a row's first tap to its last
  static constexpr int Reach = Across * Spec::Blocks + 1;                   // words that a row of taps holds
  static constexpr int Row = Spec::DilationH * Spec::Width * Spec::Blocks;  // words between rows of taps
  static_assert(Spec::KernelH == 1 || Row >= Reach, "the image is narrower than the kernel");
  static constexpr int Gap = Row > Reach ? Row - Reach : 1;  // words between the last tap of a row and the next row
  static constexpr int GapBanks = Gap < Near ? Gap : 1;  // registers, where a memory's stages do not fit in between
  static_assert(Spec::PadTop <= (Spec::KernelH - 1) * Spec::DilationH && Spec::PadLeft <= Across,
                "a pad must be less than the kernel");
  static_assert(Spec::OutHeight == 1 || (Spec::OutWidth - 1) * Spec::StrideW < Spec::StrideH * Spec::Width,
                "windows must come in the order of their newest pixels");
  // of the first window: the rows over its lowest one, and its newest word
  static constexpr int Above = (Spec::KernelH - 1) * Spec::DilationH - Spec::PadTop;
  static constexpr int First = (Above * Spec::Width + Across - Spec::PadLeft) * Spec::Blocks;
  static constexpr int RowEnd = (Spec::OutWidth - 1) * Spec::StrideW;  // pixels from a row's first window to its last
  static constexpr int InBeats = Spec::Height * Spec::Width * Spec::Blocks;
  static constexpr int Windows =  // words from the first one's newest to the last one's
      ((Spec::OutHeight - 1) * Spec::StrideH * Spec::Width + RowEnd + 1) * Spec::Blocks;
  static constexpr int Beats = Windows < InBeats ? InBeats : Windows;  // places of the line for a frame
  static constexpr int Behind = First + Windows - Beats;  // of them in the next frame, if positive
  static_assert(First < Beats && Behind < Beats, "all windows of a frame must come before the end of the next one");
  static_assert(1LL * Frames * (Beats + larger(Behind, 0)) < (1LL << 31), "a call must take fewer than 2^31 beats");
  static constexpr int AllBeats = Frames * (Beats + larger(Behind, 0));  // where no frame begins before one has left
  // words from the last block of a window to the first one of the next
  static constexpr int NextColumn = Spec::StrideW * Spec::Blocks - (Spec::Blocks - 1);
  static constexpr int NextRow = (Spec::StrideH * Spec::Width - RowEnd) * Spec::Blocks - (Spec::Blocks - 1);
  static constexpr int Longest = larger(First + Beats, larger(NextColumn, NextRow));  // between two windows, at most
  using InRows = Position<larger(Spec::PadTop, Spec::OutHeight * Spec::StrideH)>;
  using InColumns = Position<larger(Spec::PadLeft, Spec::OutWidth * Spec::StrideW)>;
};

// Each frame. Words out: OutHeight x OutWidth x Blocks of (KernelH, KernelW, Lanes) elements; those in the padding read
// as PadValue. A beat shifts the line by a word, or by nothing behind the frame, and writes a word where a field is
// complete.
template <typename Shape>
void window_line(hls::stream<Vec<typename Shape::T, Shape::Lanes>> &in,
                 hls::stream<Vec<typename Shape::T, Shape::Field>> &out) {
  using T = typename Shape::T;
  using Word = Vec<T, Shape::Lanes>;
  Word taps[Shape::KernelH][Shape::Reach];  // row 0 the lowest, each with its newest word first
#pragma HLS ARRAY_PARTITION variable=taps complete dim=0
  Word line[Shape::KernelH][Shape::Gap];  // between the rows of taps; the last one is not used
#pragma HLS ARRAY_PARTITION variable=line complete dim=1
#pragma HLS ARRAY_PARTITION variable=line cyclic factor=Shape::GapBanks dim=2
#pragma HLS AGGREGATE variable=line
  const T padding = Element<T>::of(Shape::PadValue);

  Counter<Shape::Gap> gap = 0;                  // place in the line between the rows
  Counter<Shape::Beats> place = 0;              // of the line, since the frame that enters began
  Counter<Frames + 1> entered = 0, left = 0;    // whole frames, of words and of fields
  Counter<Shape::Longest> wait = Shape::First;  // beats until the next field is complete
  Counter<Shape::Blocks> block = 0;             // of this field, as all below
  Counter<Shape::OutWidth> column = 0;
  Counter<Shape::OutHeight> row = 0;
  typename Shape::InRows y = -Shape::PadTop;
  typename Shape::InColumns x = -Shape::PadLeft;
beats:
  for (int beat = 0; beat < Shape::AllBeats; ++beat) {
#pragma HLS PIPELINE II=1 style=flp
#pragma HLS DEPENDENCE variable=line type=inter direction=RAW distance=Shape::Gap true
    const bool behind = left < entered;  // fields of the frame before the one that enters are left
    const bool enters = !behind || place != 0 || (entered < Frames && !in.empty());
    Word word = taps[0][0];
    if (enters && place < Shape::InBeats) word = in.read();
    for (int ky = 0; ky < Shape::KernelH; ++ky) {
#pragma HLS UNROLL
      const Word oldest = taps[ky][Shape::Reach - 1];
      for (int i = Shape::Reach - 1; i > 0; --i) {
#pragma HLS UNROLL
        taps[ky][i] = taps[ky][i - 1];
      }
      taps[ky][0] = word;
      word = oldest;  // what the next row takes
      if (Shape::Row > Shape::Reach) {
        word = line[ky][gap];
        line[ky][gap] = oldest;
      }
    }
    gap = after<Shape::Gap>(gap);

    const bool whole = enters && place == Shape::Beats - 1;
    if (enters) place = after<Shape::Beats>(place);
    if (wait == 0) {
      Vec<T, Shape::Field> field;
      for (int ky = 0; ky < Shape::KernelH; ++ky) {
#pragma HLS UNROLL
        const int below = y.to_int() + ky * Shape::DilationH;
        for (int kx = 0; kx < Shape::KernelW; ++kx) {
#pragma HLS UNROLL
          const int right = x.to_int() + kx * Shape::DilationW;
          const bool inside = below >= 0 && below < Shape::Height && right >= 0 && right < Shape::Width;
          const int back = (Shape::KernelW - 1 - kx) * Shape::DilationW * Shape::Blocks;
          for (int lane = 0; lane < Shape::Lanes; ++lane) {
#pragma HLS UNROLL
            field.lane[(ky * Shape::KernelW + kx) * Shape::Lanes + lane] =
                inside ? taps[Shape::KernelH - 1 - ky][back].lane[lane] : padding;
          }
        }
      }
      out.write(field);
      block = after<Shape::Blocks>(block);
      if (block == 0) {
        wait = Shape::NextColumn - 1;
        x += Shape::StrideW;
        column = after<Shape::OutWidth>(column);
        if (column == 0) {
          wait = Shape::NextRow - 1;
          x = -Shape::PadLeft;
          y += Shape::StrideH;
          row = after<Shape::OutHeight>(row);
          if (row == 0) {
            wait = Shape::First + (behind || whole ? 0 : Shape::Beats) - place.to_int();
            y = -Shape::PadTop;
            ++left;
          }
        }
      }
    } else {
      --wait;
    }
    if (whole) ++entered;
    if (Shape::Behind > 0 && entered == Frames && left == Frames) break;
  }
}

}  // namespace bw
