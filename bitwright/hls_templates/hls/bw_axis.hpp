// SPDX-License-Identifier: Apache-2.0
// bw_axis.hpp: between AXI4-Stream transfers and internal words. The only place that knows bytes and frames.
//
//   Layout   element i of a word is at bit i * ByteBits of TDATA: whole bytes, sign extended if it is signed
//   Frames   TLAST is high on the last transfer of a frame, and on no other
#pragma once

#include <ap_axi_sdata.h>

#include "bw_stream.hpp"

namespace bw {

//   Spec  Beats (per frame), Lanes; type T
template <typename Spec>
struct AxisShape : Spec {
  static_assert(Spec::Beats > 0 && Spec::Lanes > 0, "a frame needs at least one element");
  static constexpr int ByteBits = 8 * ((Spec::T::width + 7) / 8);
  static constexpr int DataBits = Spec::Lanes * ByteBits;
  using Transfer = ap_axiu<DataBits, 0, 0, 0>;
};

// Each frame from outside: Beats transfers in, Beats words out. Frames are counted, TLAST is not needed.
template <typename Shape>
void axis_in(hls::stream<typename Shape::Transfer> &in, hls::stream<Vec<typename Shape::T, Shape::Lanes>> &out) {
  using T = typename Shape::T;
frames:
  for (int frame = 0; frame < Frames; ++frame) {
  beats:
    for (int beat = 0; beat < Shape::Beats; ++beat) {
#pragma HLS PIPELINE II=1 style=flp
#pragma HLS LOOP_FLATTEN
      const typename Shape::Transfer transfer = in.read();
      Vec<T, Shape::Lanes> word;
      for (int lane = 0; lane < Shape::Lanes; ++lane) {
#pragma HLS UNROLL
        const int low = lane * Shape::ByteBits;
        const ap_uint<T::width> bits = transfer.data.range(low + T::width - 1, low);
        word.lane[lane] = Element<T>::from_bits(bits);
      }
      out.write(word);
    }
  }
}

// Each frame to the outside: Beats words in, Beats transfers out.
template <typename Shape>
void axis_out(hls::stream<Vec<typename Shape::T, Shape::Lanes>> &in, hls::stream<typename Shape::Transfer> &out) {
  using T = typename Shape::T;
frames:
  for (int frame = 0; frame < Frames; ++frame) {
  beats:
    for (int beat = 0; beat < Shape::Beats; ++beat) {
#pragma HLS PIPELINE II=1 style=flp
#pragma HLS LOOP_FLATTEN
      const Vec<T, Shape::Lanes> word = in.read();
      typename Shape::Transfer transfer;
      for (int lane = 0; lane < Shape::Lanes; ++lane) {
#pragma HLS UNROLL
        const int low = lane * Shape::ByteBits;
        const ap_uint<Shape::ByteBits> padded = Element<T>::raw(word.lane[lane]);
        transfer.data.range(low + Shape::ByteBits - 1, low) = padded;
      }
      transfer.keep = -1;
      transfer.strb = -1;
      transfer.last = beat == Shape::Beats - 1 ? 1 : 0;
      out.write(transfer);
    }
  }
}

}  // namespace bw
