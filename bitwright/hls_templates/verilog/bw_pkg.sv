// SPDX-License-Identifier: Apache-2.0
// bw_pkg: how elements are coded on a stream, and the sizes that follow.
package bw_pkg;
  localparam int Unsigned = 0;  // plain binary
  localparam int Signed   = 1;  // two's complement
  localparam int Bipolar  = 2;  // one bit: 0 is -1, 1 is +1

  // Bits of an element once bw_decode has made it two's complement.
  function automatic int decoded_bits(input int code, input int bits);
    decoded_bits = (code == Unsigned) ? bits + 1 : (code == Signed) ? bits : (code == Bipolar) ? 2 : 0;
  endfunction

  // Clocks through bw_adder_tree with n operands: one for every factor of four.
  function automatic int tree_latency(input int n);
    tree_latency = 0;
    for (int reach = 1; reach < n; reach = reach * 4) tree_latency = tree_latency + 1;
  endfunction
endpackage
