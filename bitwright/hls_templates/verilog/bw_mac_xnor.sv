// SPDX-License-Identifier: Apache-2.0
// bw_mac_xnor: PE dot products of bipolar vectors, accumulated over the beats of a fold; XNOR and count.
//
//   A bit is 0 for -1 and 1 for +1: a product is +1 where the bits agree. Over the Cols products of a fold
//   acc[p] = agreeing - (Cols - agreeing) = 2 * agreeing - Cols
//
// Contract
//   Layout    element 0 in the least significant bits; w is row major, [p][s] at (p*SIMD)+s.
//   Count     bits are counted in threes, two look-up tables each; a last group of one or two counts only its own.
//   Timing    acc is the sum up to a beat tree_latency(ceil(SIMD/3)) + 2 clocks after it; one beat per clock.
//   Reset     none: the flow control around it counts what is in flight.
//   Widths    sums are modulo 2**AccW: exact whenever the result of a fold fits, whatever the partial sums do.
`default_nettype none

module bw_mac_xnor #(
  parameter int PE   = 2,
  parameter int SIMD = 4,
  parameter int Cols = 8,   // products of a fold
  parameter int AccW = 5
) (
  input  wire  logic               clk,
  input  wire  logic               in_valid,
  input  wire  logic               in_first,  // first beat of a fold: the sum restarts
  input  wire  logic [SIMD-1:0]    in_x,
  input  wire  logic [PE*SIMD-1:0] in_w,
  output logic [PE*AccW-1:0]       acc
);
  localparam int Groups = (SIMD + 2) / 3;
  localparam int TermW  = 4;  // twice a count of up to three, and a sign, which is 0
  localparam logic [AccW-1:0] Start = AccW'(-Cols);

  logic [PE*Groups*TermW-1:0] terms;

  for (genvar p = 0; p < PE; p++) begin : gen_pe
    logic [SIMD-1:0]     same;
    logic [3*Groups-1:0] agree;
    assign same  = ~(in_w[p*SIMD +: SIMD] ^ in_x);
    assign agree = (3 * Groups)'(same);

    for (genvar g = 0; g < Groups; g++) begin : gen_group
      logic [1:0] count;

      always_ff @(posedge clk) count <= 2'(agree[3*g]) + 2'(agree[3*g+1]) + 2'(agree[3*g+2]);
      assign terms[(p*Groups+g)*TermW +: TermW] = {1'b0, count, 1'b0};
    end
  end

  bw_accumulate #(.PE(PE), .N(Groups), .W(TermW), .AccW(AccW), .Start(Start)) u_sum (
    .clk, .in_valid, .in_first, .terms, .acc
  );
endmodule

`default_nettype wire
