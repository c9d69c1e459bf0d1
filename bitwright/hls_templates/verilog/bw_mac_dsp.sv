// SPDX-License-Identifier: Apache-2.0
// bw_mac_dsp: PE dot products of SIMD elements each, accumulated over the beats of a fold; multipliers in DSP slices.
//
//   acc[p] = sum over the beats since in_first of  sum_s  w[p][s] * x[s]
//
//   Lanes neighbouring p share a multiplier: they meet the same x[s]. Its results carry Bias more than the products,
//   and the accumulators start at -Cols*Bias, so that a fold ends without it; or, if folds differ, each beat ends so.
//
// Contract
//   Layout    element 0 in the least significant bits; w is row major, [p][s] at ((p*SIMD)+s)*WW.
//   Needs     Lanes, Stride, PackW and Bias as bw_packed_product needs them.
//   Timing    acc is the sum up to a beat tree_latency(SIMD) + 4 clocks after it; one beat per clock; never stalls.
//   Reset     none: the flow control around it counts what is in flight.
//   Widths    sums are modulo 2**AccW: exact whenever the result of a fold fits, whatever the partial sums do.
`default_nettype none

module bw_mac_dsp #(
  parameter int PE     = 2,
  parameter int SIMD   = 4,
  parameter int XW     = 8,   // bits of an input element
  parameter int XCode  = 0,   // its code: bw_pkg
  parameter int WW     = 8,   // bits of a weight
  parameter int WCode  = 1,   // its code: bw_pkg
  parameter int AccW   = 24,
  parameter int Cols   = 8,   // products of a fold, 0 if folds differ
  parameter int Lanes  = 2,   // products of one multiplier
  parameter int Stride = 16,  // bits of one of them
  parameter int PackW  = 25,  // bits of the packed weights
  parameter logic [Stride-1:0] Bias = {1'b1, {(Stride-1){1'b0}}}
) (
  input  wire  logic                  clk,
  input  wire  logic                  in_valid,
  input  wire  logic                  in_first,  // first beat of a fold: the sum restarts
  input  wire  logic [SIMD*XW-1:0]    in_x,
  input  wire  logic [PE*SIMD*WW-1:0] in_w,
  output logic [PE*AccW-1:0]          acc
);
  localparam int XValW  = bw_pkg::decoded_bits(XCode, XW);
  localparam int WValW  = bw_pkg::decoded_bits(WCode, WW);
  localparam int TermW  = Stride + 1;  // a sign, which is 0
  localparam int Groups = (PE + Lanes - 1) / Lanes;
  localparam int AllPE  = Groups * Lanes;  // the last group filled up with zeros
  localparam logic [AccW-1:0] Start = AccW'(0) - AccW'(Cols) * AccW'(Bias);
  localparam logic [AccW-1:0] Each  = (Cols == 0) ? AccW'(0) - AccW'(SIMD) * AccW'(Bias) : '0;

  logic [SIMD*XValW-1:0]       x;
  logic [PE*SIMD*WValW-1:0]    w;
  logic [AllPE*SIMD*WValW-1:0] all_w;
  logic [AllPE*SIMD*TermW-1:0] terms;
  logic [1:0]                  valid, first;  // bit i: of the beat that is i + 1 clocks in
  logic                        unused_lanes;

  bw_decode #(.Lanes(SIMD), .W(XW), .Code(XCode)) u_x (.coded(in_x), .value(x));
  bw_decode #(.Lanes(PE * SIMD), .W(WW), .Code(WCode)) u_w (.coded(in_w), .value(w));
  assign all_w = (AllPE * SIMD * WValW)'(w);

  always_ff @(posedge clk) begin
    valid <= {valid[0], in_valid};
    first <= {first[0], in_first};
  end

  for (genvar g = 0; g < Groups; g++) begin : gen_group
    for (genvar s = 0; s < SIMD; s++) begin : gen_simd
      logic [Lanes*WValW-1:0]  lane_w;
      logic [Lanes*Stride-1:0] lane_out;

      bw_packed_product #(.Lanes(Lanes), .WW(WValW), .XW(XValW), .Stride(Stride), .PackW(PackW), .Bias(Bias)) u_mul (
        .clk, .w(lane_w), .x(x[s*XValW +: XValW]), .out(lane_out)
      );

      for (genvar i = 0; i < Lanes; i++) begin : gen_lane
        localparam int Place = (g * Lanes + i) * SIMD + s;
        assign lane_w[i*WValW +: WValW]      = all_w[Place*WValW +: WValW];
        assign terms[Place*TermW +: TermW] = {1'b0, lane_out[i*Stride +: Stride]};
      end
    end
  end

  assign unused_lanes = ^terms;
  bw_accumulate #(.PE(PE), .N(SIMD), .W(TermW), .AccW(AccW), .Start(Start), .Each(Each)) u_sum (
    .clk, .in_valid(valid[1]), .in_first(first[1]), .terms(terms[PE*SIMD*TermW-1:0]), .acc
  );
endmodule

`default_nettype wire
