// SPDX-License-Identifier: Apache-2.0
// bw_reorder.hpp: the words of a frame in another order.
#pragma once

#include "bw_rom.hpp"
#include "bw_turns.hpp"

namespace bw {

//   Spec  InBeats, OutBeats (per frame), Fill, Distance (from a word in to the same one out, were the first word out in
//         the iteration after the last one in), Lanes; types T, Index
template <typename Spec>
struct ReorderShape : Spec {
  using Word = Vec<typename Spec::T, Spec::Lanes>;
  using Turn = Turns<Spec::InBeats, Spec::OutBeats, Frames>;
  static constexpr int AllBeats = Turn::Beats;
  static constexpr int Banks = Spec::Distance < Near ? Spec::InBeats : 1;  // registers, if a memory is too slow
  static constexpr int Halves = Banks > 1 ? 2 : 1;
};

// Each frame: InBeats words in, OutBeats words out; word i out is word Order::at(i) in, or Fill in every lane where
// that is -1. The next frame enters while this one leaves.
template <typename Shape, typename Order>
void reorder(hls::stream<typename Shape::Word> &in, hls::stream<typename Shape::Word> &out) {
  typename Shape::Word held[2][Shape::InBeats];
#pragma HLS AGGREGATE variable=held
#pragma HLS ARRAY_PARTITION variable=held cyclic factor=Shape::Halves dim=1
#pragma HLS ARRAY_PARTITION variable=held cyclic factor=Shape::Banks dim=2
  typename Shape::Word fill;
  for (int lane = 0; lane < Shape::Lanes; ++lane) {
#pragma HLS UNROLL
    fill.lane[lane] = Element<typename Shape::T>::of(Shape::Fill);
  }
  typename Shape::Turn turns;
beats:
  for (int beat = 0; beat < Shape::AllBeats; ++beat) {
#pragma HLS PIPELINE II=1 style=flp
#pragma HLS DEPENDENCE variable=held type=inter direction=RAW distance=Shape::Distance true
    const bool empties = turns.empties(), fills = turns.fills(in.empty());
    if (empties) {
      const typename Shape::Index index = Order::at(turns.leaving);
      const int source = index.to_int();
      out.write(source < 0 ? fill : held[turns.out_half][source]);
    }
    if (fills) held[turns.in_half][turns.entering] = in.read();
    turns.step(fills, empties);
    if (turns.are_over()) break;
  }
}

}  // namespace bw
