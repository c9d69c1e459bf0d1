// SPDX-License-Identifier: Apache-2.0
// bw_mac_lut: PE dot products of SIMD elements each, accumulated over the beats of a fold; multipliers in logic.
//
//   acc[p] = sum over the beats since in_first of  sum_s  w[p][s] * x[s]
//
//   A product is a sum of x at the places of the weight's ones, the sign's place subtracted: a form that every tool
//   keeps in logic. A `*` would become a DSP slice in tools that know no attribute against it.
//
// Contract
//   Layout    element 0 in the least significant bits; w is row major, [p][s] at ((p*SIMD)+s)*WW.
//   Timing    acc is the sum up to a beat tree_latency(SIMD) + 2 clocks after it; one beat per clock; never stalls.
//   Reset     none: the flow control around it counts what is in flight.
//   Widths    sums are modulo 2**AccW: exact whenever the result of a fold fits, whatever the partial sums do.
`default_nettype none

module bw_mac_lut #(
  parameter int PE    = 2,
  parameter int SIMD  = 4,
  parameter int XW    = 4,   // bits of an input element
  parameter int XCode = 0,   // its code: bw_pkg
  parameter int WW    = 4,   // bits of a weight
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
  localparam int XValW = bw_pkg::decoded_bits(XCode, XW);
  localparam int WValW = bw_pkg::decoded_bits(WCode, WW);
  localparam int ProdW = XValW + WValW;

  logic [SIMD*XValW-1:0]    x;
  logic [PE*SIMD*WValW-1:0] w;
  logic [PE*SIMD*ProdW-1:0] products;

  bw_decode #(.Lanes(SIMD), .W(XW), .Code(XCode)) u_x (.coded(in_x), .value(x));
  bw_decode #(.Lanes(PE * SIMD), .W(WW), .Code(WCode)) u_w (.coded(in_w), .value(w));

  for (genvar p = 0; p < PE; p++) begin : gen_pe
    for (genvar s = 0; s < SIMD; s++) begin : gen_simd
      logic [WValW-1:0] weight;
      logic [ProdW-1:0] value, sum, product;

      assign weight = w[(p*SIMD+s)*WValW +: WValW];
      assign value  = ProdW'($signed(x[s*XValW +: XValW]));

      always_comb begin
        sum = '0;
        for (int i = 0; i < WValW - 1; i++) sum = sum + (weight[i] ? value << i : '0);
        sum = sum - (weight[WValW-1] ? value << (WValW - 1) : '0);
      end

      always_ff @(posedge clk) product <= sum;
      assign products[(p*SIMD+s)*ProdW +: ProdW] = product;
    end
  end

  bw_accumulate #(.PE(PE), .N(SIMD), .W(ProdW), .AccW(AccW)) u_sum (
    .clk, .in_valid, .in_first, .terms(products), .acc
  );
endmodule

`default_nettype wire
