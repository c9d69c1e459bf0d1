// SPDX-License-Identifier: Apache-2.0
// bw_packed_product: Lanes products with one common factor, in one multiplier. Free running.
//
//   out[i] = w[i] * x + Bias      (w and x signed, out unsigned)
//
//   The weights lie Stride bits apart in one number. Its product with x is the sum of w[i] * x * 2**(i*Stride), and
//   Bias in every lane makes each summand 0 .. 2**Stride - 1: no lane borrows from the next, and out is cut out as is.
//
// Contract
//   Layout    element 0 in the least significant bits.
//   Needs     0 <= w[i] * x + Bias < 2**Stride for all values; the sum of w[i] * 2**(i*Stride) fits in PackW bits.
//   Timing    3 clocks: registers for the factors, the product and the sum, all of which a DSP slice has.
//   Reset     none.
`default_nettype none

module bw_packed_product #(
  parameter int Lanes  = 2,
  parameter int WW     = 8,   // bits of a weight
  parameter int XW     = 9,   // bits of x
  parameter int Stride = 16,  // bits of a result
  parameter int PackW  = 25,  // bits of the packed weights
  parameter logic [Stride-1:0] Bias = {1'b1, {(Stride-1){1'b0}}}
) (
  input  wire  logic                    clk,
  input  wire  logic [Lanes*WW-1:0]     w,
  input  wire  logic [XW-1:0]           x,
  output logic [Lanes*Stride-1:0]       out
);
  localparam int ProdW = PackW + XW;
  localparam int OutW  = Lanes * Stride;
  localparam int SumW  = (OutW > ProdW) ? OutW : ProdW;

  logic signed [PackW-1:0]                         packed_w, factor;
  logic signed [XW-1:0]                            x_q;
  (* use_dsp = "yes" *) logic signed [ProdW-1:0]   product;
  logic signed [SumW-1:0]                          sum;
  logic                                            unused_high;

  initial if (PackW <= (Lanes - 1) * Stride) $fatal(1, "bw_packed_product: PackW does not reach the last lane");

  always_comb begin
    packed_w = '0;
    for (int i = 0; i < Lanes; i++) packed_w = packed_w + (PackW'($signed(w[i*WW +: WW])) <<< (i * Stride));
  end

  always_ff @(posedge clk) begin
    factor  <= packed_w;
    x_q     <= $signed(x);
    product <= ProdW'(factor) * ProdW'(x_q);
    sum     <= SumW'(product) + SumW'({Lanes{Bias}});
  end

  assign unused_high = ^sum;
  assign out         = sum[OutW-1:0];
endmodule

`default_nettype wire
