// SPDX-License-Identifier: Apache-2.0
// bw_join.hpp: several streams into one: weighted sums, products, interleaved channels.
#pragma once

#include "bw_stream.hpp"

namespace bw {

//   Spec  Operands, Beats (per frame, of the output), Lanes; type Y; Folds (words per pixel) and type Factor
//         for `add`, type Part for `interleave`
template <typename Spec>
struct JoinShape : Spec {
  using Word = Vec<typename Spec::Y, Spec::Lanes>;
  using Distance = ap_uint<1>;
  static constexpr bool is_each(int) { return true; }
  static constexpr bool is_powers(int) { return false; }
  static constexpr bool is_shifts(int) { return false; }
};

// The same for an `add` that shifts.
//   Spec  also: EachFactor, bit k set where the channels of operand k have factors of their own; Shifts, where these are
//         powers of two and told as the distance, of type Distance; Powers, where some are 0 or negative besides and
//         told as {negative, zero, distance}; operands beyond the 31st have numbers of their own
template <typename Spec>
struct ShiftShape : Spec {
  using Word = Vec<typename Spec::Y, Spec::Lanes>;
  static constexpr bool is_each(int operand) { return operand > 30 || (Spec::EachFactor >> operand & 1) == 1; }
  static constexpr bool is_powers(int operand) { return operand <= 30 && (Spec::Powers >> operand & 1) == 1; }
  static constexpr bool is_shifts(int operand) { return operand <= 30 && (Spec::Shifts >> operand & 1) == 1; }
};

// A factor, as it is told, times x, modulo 2^bits of the sum.
template <typename Shape, int Operand, typename X>
typename Shape::Y term(const typename Shape::Factor &factor, const X &x) {
#pragma HLS INLINE
  if (!Shape::is_shifts(Operand) && !Shape::is_powers(Operand)) return factor * x;
  const typename Shape::Distance distance = factor;  // keeps the low bits
  const typename Shape::Y shifted = typename Shape::Y(x) << distance;
  if (Shape::is_shifts(Operand)) return shifted;
  const ap_uint<Shape::Distance::width + 2> code = factor;
  if (code[Shape::Distance::width]) return 0;
  return code[Shape::Distance::width + 1] ? typename Shape::Y(-shifted) : shifted;
}

template <typename Shape, typename Factors, int Operand>
void add_terms(int, typename Shape::Word &) {
  static_assert(Operand == Shape::Operands, "there must be as many streams as operands");
}

// Adds the terms of the operands from number Operand on: one word of each stream.
template <typename Shape, typename Factors, int Operand, typename X, typename... Others>
void add_terms(int fold, typename Shape::Word &sum, hls::stream<Vec<X, Shape::Lanes>> &in, Others &...others) {
#pragma HLS INLINE
  const Vec<X, Shape::Lanes> x = in.read();
  const int word = Shape::is_each(Operand) ? fold : 0;  // of a table that has the same in all words
  for (int lane = 0; lane < Shape::Lanes; ++lane) {
#pragma HLS UNROLL
    sum.lane[lane] += term<Shape, Operand>(Factors::at(word)[Operand][lane], value(x.lane[lane]));
  }
  add_terms<Shape, Factors, Operand + 1>(fold, sum, others...);
}

// Each frame: y = sum over operands of factor * x; one word of each operand in, one word out.
//   Y        exact for the whole sum
//   Factors  words of [Operands][Lanes]; lane i of word b is channel (b mod Folds) * Lanes + i
template <typename Shape, typename Factors, typename... Streams>
void add(hls::stream<typename Shape::Word> &out, Streams &...ins) {
  Counter<Shape::Folds> fold = 0;
frames:
  for (int frame = 0; frame < Frames; ++frame) {
  beats:
    for (int beat = 0; beat < Shape::Beats; ++beat) {
#pragma HLS PIPELINE II=1 style=flp
#pragma HLS LOOP_FLATTEN
      typename Shape::Word sum;
      for (int lane = 0; lane < Shape::Lanes; ++lane) {
#pragma HLS UNROLL
        sum.lane[lane] = 0;
      }
      add_terms<Shape, Factors, 0>(fold, sum, ins...);
      out.write(sum);
      fold = after<Shape::Folds>(fold);
    }
  }
}

// Each frame: y = (a - ZeroA) * (b - ZeroB), lane by lane.
//   Shape  also: ZeroA, ZeroB
template <typename Shape, typename A, typename B>
void multiply(hls::stream<typename Shape::Word> &out, hls::stream<Vec<A, Shape::Lanes>> &in_a,
              hls::stream<Vec<B, Shape::Lanes>> &in_b) {
frames:
  for (int frame = 0; frame < Frames; ++frame) {
  beats:
    for (int beat = 0; beat < Shape::Beats; ++beat) {
#pragma HLS PIPELINE II=1 style=flp
#pragma HLS LOOP_FLATTEN
      const Vec<A, Shape::Lanes> a = in_a.read();
      const Vec<B, Shape::Lanes> b = in_b.read();
      typename Shape::Word y;
      for (int lane = 0; lane < Shape::Lanes; ++lane) {
#pragma HLS UNROLL
        const auto product = (value(a.lane[lane]) - Shape::ZeroA) * (value(b.lane[lane]) - Shape::ZeroB);
        y.lane[lane] = Element<typename Shape::Y>::of(product);
      }
      out.write(y);
    }
  }
}

template <typename Shape>
typename Shape::Word read_operand(int) {
  return typename Shape::Word();  // not reached: one of the streams was chosen
}

// One word of stream number `operand`, its elements extended to Y.
template <typename Shape, typename X, typename... Others>
typename Shape::Word read_operand(int operand, hls::stream<Vec<X, Shape::Lanes>> &in, Others &...others) {
#pragma HLS INLINE
  if (operand > 0) return read_operand<Shape>(operand - 1, others...);
  const Vec<X, Shape::Lanes> x = in.read();
  typename Shape::Word word;
  for (int lane = 0; lane < Shape::Lanes; ++lane) {
#pragma HLS UNROLL
    word.lane[lane] = Element<typename Shape::Y>::of(value(x.lane[lane]));
  }
  return word;
}

// Each frame: pixel by pixel Parts::at(k) words of operand k in turn.
template <typename Shape, typename Parts, typename... Streams>
void interleave(hls::stream<typename Shape::Word> &out, Streams &...ins) {
  static_assert(sizeof...(ins) == Shape::Operands, "there must be as many streams as operands");
  Counter<Shape::Operands> operand = 0;
  typename Shape::Part part = 0;  // words of it so far
frames:
  for (int frame = 0; frame < Frames; ++frame) {
  beats:
    for (int beat = 0; beat < Shape::Beats; ++beat) {
#pragma HLS PIPELINE II=1 style=flp
#pragma HLS LOOP_FLATTEN
      out.write(read_operand<Shape>(operand, ins...));
      const typename Shape::Part parts = Parts::at(operand);
      if (part == parts - 1) {
        part = 0;
        operand = after<Shape::Operands>(operand);
      } else {
        ++part;
      }
    }
  }
}

}  // namespace bw
