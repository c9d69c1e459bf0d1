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
