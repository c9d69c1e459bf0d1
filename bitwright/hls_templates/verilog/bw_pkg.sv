// SPDX-License-Identifier: Apache-2.0
// bw_pkg: how elements are coded on a stream, how they are multiplied, and the sizes and clocks that follow.
package bw_pkg;
  localparam int Unsigned = 0;  // plain binary
  localparam int Signed   = 1;  // two's complement
  localparam int Bipolar  = 2;  // one bit: 0 is -1, 1 is +1

  // Styles of bw_mac.
  localparam int Lut     = 0;  // sums of shifted elements
  localparam int Ternary = 1;  // weights -1, 0, 1: no product at all
  localparam int Dsp     = 2;  // multipliers in DSP slices, each for one or more products
  localparam int Xnor    = 3;  // weights and elements bipolar: agreeing bits are counted

  // Factors of the channels.
  localparam int Each   = 0;  // a number for each: a multiplier
  localparam int Same   = 1;  // one number for all, a parameter: no multiplier if it is a power of two or its negative
  localparam int Powers = 2;  // powers of two: {negative, zero, distance} for each, a shifter
  localparam int Shifts = 3;  // powers of two, none negative or zero: the distance alone

  // Bits that say the factor of a channel, which has m_bits as a number.
  function automatic int factor_bits(input int factor, input int m_bits);
    factor_bits = (factor == Same) ? 0 : (factor == Each) ? m_bits
                  : (factor == Shifts) ? $clog2(m_bits) : (factor == Powers) ? $clog2(m_bits) + 2 : 0;
  endfunction

  // Bits that say the constants of a channel of bw_mas, without those that are parameters; one bit if all are.
  function automatic int k_bits(input int factor, input int m_bits, input bit each_offset, input int c_bits,
                                  input bit each_window, input int window_bits, input bit each_bounds,
                                  input int bound_bits);
    k_bits = (each_offset ? c_bits : 0) + factor_bits(factor, m_bits) + (each_window ? window_bits : 0)
               + (each_bounds ? 2 * bound_bits : 0);
    if (k_bits == 0) k_bits = 1;
  endfunction

  // Bits of an element once bw_decode has made it two's complement.
  function automatic int decoded_bits(input int code, input int bits);
    decoded_bits = (code == Unsigned) ? bits + 1 : (code == Signed) ? bits : (code == Bipolar) ? 2 : 0;
  endfunction

  // Clocks through bw_adder_tree with n operands: one for every factor of four.
  function automatic int tree_latency(input int n);
    tree_latency = 0;
    for (int reach = 1; reach < n; reach = reach * 4) tree_latency = tree_latency + 1;
  endfunction

  // Terms that bw_mac adds for a row of simd products: Xnor makes one of three.
  function automatic int mac_terms(input int style, input int simd);
    mac_terms = (style == Xnor) ? (simd + 2) / 3 : simd;
  endfunction

  // Bits of a term, of decoded x and w: of the product, of x or -x, of a lane of Stride and a sign, of twice three.
  function automatic int term_bits(input int style, input int x_bits, input int w_bits, input int stride);
    term_bits = (style == Lut) ? x_bits + w_bits : (style == Ternary) ? x_bits : (style == Dsp) ? stride + 1
                : (style == Xnor) ? 4 : 0;
  endfunction

  // Clocks from a beat of bw_mac to the sum up to it: the product, the tree, the accumulator.
  function automatic int mac_latency(input int style, input int simd);
    mac_latency = ((style == Dsp) ? 3 : 1) + tree_latency(mac_terms(style, simd)) + 1;
  endfunction
endpackage
