// SPDX-License-Identifier: Apache-2.0
// bw_gather.hpp: the one field of a window that covers its whole image, as a global pool reads it.
#pragma once

#include "bw_turns.hpp"

namespace bw {

//   Spec  Pixels, Blocks, Inner (input words: Pixels x Blocks x Inner), Lanes; type T
template <typename Spec>
struct GatherShape : Spec {
  static_assert(Spec::Pixels > 0 && Spec::Blocks > 0 && Spec::Inner > 0, "the input is empty");
  static constexpr long long Words = 1LL * Spec::Pixels * Spec::Blocks * Spec::Inner;
  static_assert(Words < (1LL << 31), "a frame must take fewer than 2^31 beats");
  static constexpr int Beats = int(Words);
  using Turn = Turns<Beats, Beats, Frames>;
  static constexpr int AllBeats = Turn::Beats;
  using Word = Vec<typename Spec::T, Spec::Lanes>;
  // from a word in to the same one out: the nearest is the first of the last pixel
  static constexpr int Distance = (Spec::Blocks + Spec::Pixels - 1) * Spec::Inner;
  static constexpr int Banks = Distance < Near ? Beats : 1;  // registers, if a memory is too slow
  static constexpr int Halves = Banks > 1 ? 2 : 1;
};

// Each frame: as many words out as in, slowest first: Blocks, Pixels, Inner. The next frame enters while this one
// leaves, which the ring of `window` has no room for.
template <typename Shape>
void gather(hls::stream<typename Shape::Word> &in, hls::stream<typename Shape::Word> &out) {
  typename Shape::Word held[2][Shape::Beats];
#pragma HLS AGGREGATE variable=held
#pragma HLS ARRAY_PARTITION variable=held cyclic factor=Shape::Halves dim=1
#pragma HLS ARRAY_PARTITION variable=held cyclic factor=Shape::Banks dim=2
  typename Shape::Turn turns;
  Counter<Shape::Blocks> block = 0;  // of the word that leaves, as all below
  Counter<Shape::Pixels> pixel = 0;
  Counter<Shape::Inner> inner = 0;
beats:
  for (int beat = 0; beat < Shape::AllBeats; ++beat) {
#pragma HLS PIPELINE II=1 style=flp
#pragma HLS DEPENDENCE variable=held type=inter direction=RAW distance=Shape::Distance true
    const bool empties = turns.empties(), fills = turns.fills(in.empty());
    if (empties) {
      const int place = (pixel.to_int() * Shape::Blocks + block.to_int()) * Shape::Inner + inner.to_int();
      out.write(held[turns.out_half][place]);
      inner = after<Shape::Inner>(inner);
      if (inner == 0) {
        pixel = after<Shape::Pixels>(pixel);
        if (pixel == 0) block = after<Shape::Blocks>(block);
      }
    }
    if (fills) held[turns.in_half][turns.entering] = in.read();
    turns.step(fills, empties);
    if (turns.are_over()) break;
  }
}

}  // namespace bw
