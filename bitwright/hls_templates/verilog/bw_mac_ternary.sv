// SPDX-License-Identifier: Apache-2.0
// bw_mac_ternary: PE dot products with weights in {-1, 0, 1}, accumulated over the beats of a fold; no multipliers.
//
//   acc[p] = sum over the beats since in_first of  sum_s  (x[s] if w[p][s] = 1, -x[s] if w[p][s] = -1, else 0)
//
// Contract
//   Layout    element 0 in the least significant bits; w is row major, [p][s] at ((p*SIMD)+s)*WW.
//   Needs     weights of one or two bits, none of them -2.
//   Timing    acc is the sum up to a beat tree_latency(SIMD) + 2 clocks after it; one beat per clock; never stalls.
//   Reset     none: the flow control around it counts what is in flight.
//   Widths    a term has one bit more than x, which holds -x too; sums are modulo 2**AccW: exact whenever the result
//             of a fold fits, whatever the partial sums do.
`default_nettype none

module bw_mac_ternary #(
  parameter int PE    = 2,
  parameter int SIMD  = 4,
  parameter int XW    = 4,   // bits of an input element
  parameter int XCode = 0,   // its code: bw_pkg
  parameter int WW    = 2,   // bits of a weight
  parameter int WCode = 1,   // its code: bw_pkg
  parameter int AccW  = 12
) (
  input  wire  logic                  clk,
  input  wire  logic                  in_valid,
  input  wire  logic                  in_first,  // first beat of a fold: the sum restarts
  input  wire  logic [SIMD*XW-1:0]    in_x,
  input  wire  logic [PE*SIMD*WW-1:0] in_w,
  output logic [PE*AccW-1:0]          acc
);
  localparam int TermW = XW + 1;

  logic [SIMD*TermW-1:0]    x;
  logic [2*PE*SIMD-1:0]     w;
  logic [PE*SIMD*TermW-1:0] terms;

  initial if (WW > 2) $fatal(1, "bw_mac_ternary: a weight has one or two bits");

  bw_decode #(.Lanes(SIMD), .W(XW), .Code(XCode), .OutW(TermW)) u_x (.coded(in_x), .value(x));
  bw_decode #(.Lanes(PE * SIMD), .W(WW), .Code(WCode), .OutW(2)) u_w (.coded(in_w), .value(w));

  for (genvar p = 0; p < PE; p++) begin : gen_pe
    for (genvar s = 0; s < SIMD; s++) begin : gen_simd
      logic             nonzero, negative;
      logic [TermW-1:0] kept, term;

      assign {negative, nonzero} = w[2*(p*SIMD+s) +: 2];
      assign kept                = (x[s*TermW +: TermW] ^ {TermW{negative}}) & {TermW{nonzero}};

      always_ff @(posedge clk) term <= kept + TermW'(negative);
      assign terms[(p*SIMD+s)*TermW +: TermW] = term;
    end
  end

  bw_accumulate #(.PE(PE), .N(SIMD), .W(TermW), .AccW(AccW)) u_sum (.clk, .in_valid, .in_first, .terms, .acc);
endmodule

`default_nettype wire
