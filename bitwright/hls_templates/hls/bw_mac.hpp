// SPDX-License-Identifier: Apache-2.0
// bw_mac.hpp: one beat of a matrix-vector unit: each of Pe accumulators takes Simd products, in one of four styles.
//
//   LutMac       any types; multipliers in logic
//   DspMac       any types; multipliers in DSP slices, each for several products
//   XnorMac      both bipolar; agreeing bits are counted
//   TernaryMac   weights -1, 0, 1; inputs are added, subtracted or skipped
//
// A style has `add(weights [Pe][Simd], x, acc)`, which adds to acc, and `start()`, with which every fold begins;
// weights are as they lie in a table, or unpacked. Sums wrap as Acc does: the sum of a fold is exact, since Acc holds
// it, whatever the partial sums do. It is a type without members: nothing but streams enters a process.
#pragma once

#include <type_traits>

#include "bw_product.hpp"
#include "bw_rom.hpp"

namespace bw {

template <typename Shape>
struct LutMac {
  using Acc = typename Shape::Acc;
  static Acc start() { return 0; }

  template <typename Weights>
  static void add(const Weights &weights, const Vec<typename Shape::X, Shape::Simd> &x, Vec<Acc, Shape::Pe> &acc) {
#pragma HLS INLINE
    for (int pe = 0; pe < Shape::Pe; ++pe) {
#pragma HLS UNROLL
      for (int s = 0; s < Shape::Simd; ++s) {
#pragma HLS UNROLL
        const typename Shape::Weight weight = weights[pe][s];
        const auto term = product(weight, x.lane[s]);
#pragma HLS BIND_OP variable=term op=mul impl=fabric
        acc.lane[pe] += term;
      }
    }
  }
};

// `Lanes` neighbouring rows share a multiplier, since they meet the same x: their weights lie `Stride` bits apart in
// one number. `Bias` in every lane makes each product 0 .. 2^Stride - 1, so that none borrows from the next and all are
// cut out as they are; the accumulators start lower by as much.
//   Shape  also: Lanes, Stride, Bias; Packed, which holds sum w[i] * 2^(i*Stride); Factor, a signed type that holds x
template <typename Shape>
struct DspMac {
  using Acc = typename Shape::Acc;
  using Packed = typename Shape::Packed;
  using Factor = typename Shape::Factor;
  static_assert(Shape::Lanes > 0 && Shape::Stride > 0, "a multiplier gives at least one product");
  static_assert(Shape::Bias >= 0, "a bias must not be negative");
  static constexpr int Groups = (Shape::Pe + Shape::Lanes - 1) / Shape::Lanes;
  static constexpr int Product = Packed::width + Factor::width, Result = Shape::Lanes * Shape::Stride;
  using Sum = ap_int<(Product > Result ? Product : Result) + 1>;
  static Acc start() { return Acc(0) - Acc(Shape::Cols) * Acc(Shape::Bias); }

  template <typename Weights>
  static void add(const Weights &weights, const Vec<typename Shape::X, Shape::Simd> &x, Vec<Acc, Shape::Pe> &acc) {
#pragma HLS INLINE
    for (int group = 0; group < Groups; ++group) {
#pragma HLS UNROLL
      for (int s = 0; s < Shape::Simd; ++s) {
#pragma HLS UNROLL
        Packed packed = 0;
        Sum offset = 0;
        for (int lane = 0; lane < Shape::Lanes; ++lane) {
#pragma HLS UNROLL
          const int pe = group * Shape::Lanes + lane, place = lane * Shape::Stride;
          if (pe < Shape::Pe) {
            const typename Shape::Weight weight = weights[pe][s];
            packed += Packed(value(weight)) << place;
          }
          offset += Sum(Shape::Bias) << place;
        }
        const Sum together = packed * Factor(value(x.lane[s]));
#pragma HLS BIND_OP variable=together op=mul impl=dsp
        const Sum biased = together + offset;
        for (int lane = 0; lane < Shape::Lanes; ++lane) {
#pragma HLS UNROLL
          const int pe = group * Shape::Lanes + lane, place = lane * Shape::Stride;
          if (pe < Shape::Pe) acc.lane[pe] += ap_uint<Shape::Stride>(biased >> place);
        }
      }
    }
  }
};

// A product is +1 where the bits agree, else -1: the sum over Cols products is twice the number that agree, less Cols.
template <typename Shape>
struct XnorMac {
  using Acc = typename Shape::Acc;
  static_assert(std::is_same<typename Shape::Weight, Bipolar>::value && std::is_same<typename Shape::X, Bipolar>::value,
                "XNOR multiplies bipolar by bipolar");
  static Acc start() { return -Shape::Cols; }

  template <typename Weights>
  static void add(const Weights &weights, const Vec<Bipolar, Shape::Simd> &x, Vec<Acc, Shape::Pe> &acc) {
#pragma HLS INLINE
    for (int pe = 0; pe < Shape::Pe; ++pe) {
#pragma HLS UNROLL
      Acc agreeing = 0;
      for (int s = 0; s < Shape::Simd; ++s) {
#pragma HLS UNROLL
        const Bipolar weight = weights[pe][s];
        agreeing += ap_uint<1>(~(weight.bit ^ x.lane[s].bit));
      }
      acc.lane[pe] += agreeing << 1;
    }
  }
};

template <typename Shape>
struct TernaryMac {
  using Acc = typename Shape::Acc;
  static_assert(Shape::Weight::width <= 2, "a weight has one or two bits");
  static Acc start() { return 0; }

  template <typename Weights>
  static void add(const Weights &weights, const Vec<typename Shape::X, Shape::Simd> &x, Vec<Acc, Shape::Pe> &acc) {
#pragma HLS INLINE
    for (int pe = 0; pe < Shape::Pe; ++pe) {
#pragma HLS UNROLL
      for (int s = 0; s < Shape::Simd; ++s) {
#pragma HLS UNROLL
        const typename Shape::Weight weight = weights[pe][s];
        const ap_int<2> sign = value(weight);
        if (sign == 1) acc.lane[pe] += value(x.lane[s]);
        if (sign == -1) acc.lane[pe] -= value(x.lane[s]);
      }
    }
  }
};

}  // namespace bw
