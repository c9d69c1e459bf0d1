// SPDX-License-Identifier: Apache-2.0
// bw_width.hpp: the same elements in the same order, another number of them per word; any ratio.
#pragma once

#include "bw_stream.hpp"

namespace bw {

constexpr int common_divisor(int a, int b) { return b == 0 ? a : common_divisor(b, a % b); }

//   Spec  InLanes, OutLanes, Elements (per frame); type T
template <typename Spec>
struct WidthShape : Spec {
  static_assert(Spec::InLanes > 0 && Spec::OutLanes > 0, "a word needs at least one lane");
  static_assert(Spec::Elements % Spec::InLanes == 0, "a frame must be whole input words");
  static_assert(Spec::Elements % Spec::OutLanes == 0, "a frame must be whole output words");
  static constexpr int Unit = common_divisor(Spec::InLanes, Spec::OutLanes);  // elements that never part
  static constexpr int InUnits = Spec::InLanes / Unit;
  static constexpr int OutUnits = Spec::OutLanes / Unit;
  static constexpr int Held = InUnits + OutUnits - 1;  // at most: less than a word out is left when a word comes in
  static constexpr int Beats = Spec::Elements / (InUnits < OutUnits ? Spec::InLanes : Spec::OutLanes);
};

// Each frame: Elements / InLanes words in, Elements / OutLanes words out; as many iterations as the longer of the two.
template <typename Shape>
void convert_width(hls::stream<Vec<typename Shape::T, Shape::InLanes>> &in,
                   hls::stream<Vec<typename Shape::T, Shape::OutLanes>> &out) {
  typename Shape::T held[Shape::Held][Shape::Unit] = {};  // oldest first; the shift moves empty places too
#pragma HLS ARRAY_PARTITION variable=held complete dim=0
  Counter<Shape::Held + 1> level = 0;  // units held
frames:
  for (int frame = 0; frame < Frames; ++frame) {
  beats:
    for (int beat = 0; beat < Shape::Beats; ++beat) {
#pragma HLS PIPELINE II=1 style=flp
#pragma HLS LOOP_FLATTEN
      if (level < Shape::OutUnits) {
        const Vec<typename Shape::T, Shape::InLanes> word = in.read();
        for (int lane = 0; lane < Shape::InLanes; ++lane) {
#pragma HLS UNROLL
          held[level.to_int() + lane / Shape::Unit][lane % Shape::Unit] = word.lane[lane];
        }
        level += Shape::InUnits;
      }
      if (level >= Shape::OutUnits) {
        Vec<typename Shape::T, Shape::OutLanes> word;
        for (int lane = 0; lane < Shape::OutLanes; ++lane) {
#pragma HLS UNROLL
          word.lane[lane] = held[lane / Shape::Unit][lane % Shape::Unit];
        }
        out.write(word);
        for (int unit = 0; unit + Shape::OutUnits < Shape::Held; ++unit) {
#pragma HLS UNROLL
          for (int i = 0; i < Shape::Unit; ++i) {
#pragma HLS UNROLL
            held[unit][i] = held[unit + Shape::OutUnits][i];
          }
        }
        level -= Shape::OutUnits;
      }
    }
  }
}

}  // namespace bw
