// SPDX-License-Identifier: Apache-2.0
// bw_reorder.hpp: the words of a frame in another order.
#pragma once

#include "bw_rom.hpp"
#include "bw_stream.hpp"

namespace bw {

//   Spec  InBeats, OutBeats (per frame), Fill, Lanes; types T, Index
template <typename Spec>
struct ReorderShape : Spec {
  using Word = Vec<typename Spec::T, Spec::Lanes>;
};

template <typename Shape>
void reorder_fill(hls::stream<typename Shape::Word> &in, typename Shape::Word (&frame)[Shape::InBeats]) {
beats:
  for (int beat = 0; beat < Shape::InBeats; ++beat) {
#pragma HLS PIPELINE II=1 style=flp
    frame[beat] = in.read();
  }
}

template <typename Shape, typename Order>
void reorder_drain(const typename Shape::Word (&frame)[Shape::InBeats], hls::stream<typename Shape::Word> &out) {
  typename Shape::Word fill;
  for (int lane = 0; lane < Shape::Lanes; ++lane) {
#pragma HLS UNROLL
    fill.lane[lane] = Element<typename Shape::T>::of(Shape::Fill);
  }
beats:
  for (int beat = 0; beat < Shape::OutBeats; ++beat) {
#pragma HLS PIPELINE II=1 style=flp
    const typename Shape::Index index = Order::at(beat);
    const int source = index.to_int();
    out.write(source < 0 ? fill : frame[source]);
  }
}

// One frame: InBeats words in, OutBeats words out; word i out is word Order::at(i) in, or Fill in every lane where that
// is -1. The frame buffer is doubled by DATAFLOW: the next frame enters while this one leaves.
template <typename Shape, typename Order>
void reorder(hls::stream<typename Shape::Word> &in, hls::stream<typename Shape::Word> &out) {
#pragma HLS DATAFLOW
  typename Shape::Word frame[Shape::InBeats];
#pragma HLS AGGREGATE variable=frame
  reorder_fill<Shape>(in, frame);
  reorder_drain<Shape, Order>(frame, out);
}

}  // namespace bw
