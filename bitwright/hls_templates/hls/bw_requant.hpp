// SPDX-License-Identifier: Apache-2.0
// bw_requant.hpp: accumulators to codes, word by word, by a rule that the generator has proved exact.
#pragma once

#include "bw_rom.hpp"
#include "bw_stream.hpp"

namespace bw {

//   Spec  Beats (per frame), Folds (words per pixel), Lanes; types X, Y, Code (the number that a Y stands for)
template <typename Spec>
struct RequantShape : Spec {
  static_assert(Spec::Lanes > 0 && Spec::Folds > 0, "there must be a channel");
  static_assert(Spec::Beats % Spec::Folds == 0, "a frame must be whole pixels");
};

// Each frame: Beats words in, Beats words out. Lane i of word b is channel (b mod Folds) * Lanes + i.
//   Rule  has code(fold, lane, number), of Shape::Code
template <typename Shape, typename Rule>
void requantise(hls::stream<Vec<typename Shape::X, Shape::Lanes>> &in,
                hls::stream<Vec<typename Shape::Y, Shape::Lanes>> &out) {
  Counter<Shape::Folds> fold = 0;
frames:
  for (int frame = 0; frame < Frames; ++frame) {
  beats:
    for (int beat = 0; beat < Shape::Beats; ++beat) {
#pragma HLS PIPELINE II=1 style=flp
#pragma HLS LOOP_FLATTEN
      const Vec<typename Shape::X, Shape::Lanes> x = in.read();
      Vec<typename Shape::Y, Shape::Lanes> y;
      for (int lane = 0; lane < Shape::Lanes; ++lane) {
#pragma HLS UNROLL
        y.lane[lane] = Element<typename Shape::Y>::of(Rule::code(fold, lane, value(x.lane[lane])));
      }
      out.write(y);
      fold = after<Shape::Folds>(fold);
    }
  }
}

// `number` limited to low..high. All are compared as one signed type: from 32 bits on, mixed signs compare as in C.
template <typename Code, typename Number, typename Low, typename High>
Code clip(const Number &number, Low low, High high) {
#pragma HLS INLINE
  using Signed = ap_int<(Number::width > Code::width ? Number::width : Code::width) + 1>;
  const Signed y = number, least = low, most = high;
  return y < least ? Code(low) : y > most ? Code(high) : Code(number);
}

// A factor that is a power of two of at most 2^Most, told as its exponent: times it, a number is shifted.
//   Signed  told as {negative, zero, exponent}: some factors are 0 or negative
template <int Most, bool Signed>
class Power {
  static constexpr int Bits = bits_for(Most);
  using Told = ap_uint<Signed ? Bits + 2 : Bits>;
  Told code;

 public:
  explicit Power(const Told &told) : code(told) {}

  template <typename A>
  ap_int<A::width + Most + 2> operator*(const A &a) const {
#pragma HLS INLINE
    using Product = ap_int<A::width + Most + 2>;
    const ap_uint<Bits> exponent = code;  // keeps the low bits
    const Product number = a;
    if (!Signed) return number << exponent;
    if (code[Bits]) return 0;
    return (code[Bits + 1] ? Product(-number) : number) << exponent;
  }
};

// y = clip((m * a + c) >> Shift, low, high); >> rounds down.
//   Shape     Shift; types Factor (of m; made of what Channel has), Offset (of c), Product (exact for m * a + c),
//             Channel {m, c, low, high}
//   Channel   a member that is equal in all channels is a static constant
template <typename Shape, typename Channels>
struct MultiplyShift {
  template <typename A>
  static typename Shape::Code code(int fold, int lane, const A &a) {
#pragma HLS INLINE
    const typename Shape::Channel &channel = Channels::at(fold)[lane];
    const typename Shape::Product u = typename Shape::Factor(channel.m) * a + typename Shape::Offset(channel.c);
    const typename Shape::Product y = u >> Shape::Shift;
    return clip<typename Shape::Code>(y, channel.low, channel.high);
  }
};

// The same with ties to even: where the fraction that >> drops is below `window`, the value was a tie, and y becomes
// the even neighbour. Odd is 1 if a zero point in c turns the parity over.
//   Shape     also: Odd; Fraction, the dropped Shift bits; Channel has `window` (0: no ties in this channel)
template <typename Shape, typename Channels>
struct MultiplyShiftEven {
  static_assert(Shape::Shift > 0, "without a fraction there are no ties");

  template <typename A>
  static typename Shape::Code code(int fold, int lane, const A &a) {
#pragma HLS INLINE
    const typename Shape::Channel &channel = Channels::at(fold)[lane];
    const typename Shape::Product u = typename Shape::Factor(channel.m) * a + typename Shape::Offset(channel.c);
    const typename Shape::Product floor = u >> Shape::Shift;
    const typename Shape::Fraction fraction = u;  // keeps the low bits
    const bool odd = bool(floor[0]) != (Shape::Odd == 1);
    typename Shape::Product y = floor;
    if (fraction < channel.window && odd) y = floor - 1;
    return clip<typename Shape::Code>(y, channel.low, channel.high);
  }
};

// code = first + Step * (how many thresholds are <= b), b = a or, in a falling channel, -1 - a.
// Binary search: Levels comparisons, and 2^Levels - 1 ascending thresholds, the last of which may be out of reach.
//   Shape     Levels, Step; Channel {t[2^Levels - 1] of a signed type, falling, first}
template <typename Shape, typename Channels>
struct Thresholds {
  template <typename A>
  static typename Shape::Code code(int fold, int lane, const A &a) {
#pragma HLS INLINE
    const typename Shape::Channel &channel = Channels::at(fold)[lane];
    const ap_int<A::width + 1> b = channel.falling ? ap_int<A::width + 1>(-1 - a) : ap_int<A::width + 1>(a);
    int count = 0;
    for (int level = Shape::Levels - 1; level >= 0; --level) {
#pragma HLS UNROLL
      const int step = 1 << level;
      if (b >= channel.t[count + step - 1]) count += step;
    }
    return typename Shape::Code(channel.first + Shape::Step * count);
  }
};

// code = Entries::at(a - Low); one table for all channels.
//   Shape     Low, Entries
template <typename Shape, typename Entries>
struct Lookup {
  template <typename A>
  static typename Shape::Code code(int, int, const A &a) {
#pragma HLS INLINE
    return Entries::at((a - Shape::Low).to_int());
  }
};

}  // namespace bw
