// SPDX-License-Identifier: Apache-2.0
// bw_thresholds_lane: one lane of the threshold requantiser. Free running.
//
//   b = falling ? ~x : x;  code = first + #{k : b >= t[k]}
//
// Contract
//   Layout    k = {falling, first, t[Steps-1], ..., t[0]}; x and t are signed, first is modulo 2**YW.
//   Timing    latency tree_latency(Steps) + 2; one element per clock.
//   Reset     none.
`default_nettype none

module bw_thresholds_lane #(
  parameter int XW    = 8,
  parameter int TW    = 8,                  // bits of a threshold
  parameter int Steps = 3,
  parameter int YW    = 2,                  // bits of a code
  parameter int KW    = Steps * TW + YW + 1  // derived: do not override
) (
  input  wire  logic          clk,
  input  wire  logic [XW-1:0] x,
  input  wire  logic [KW-1:0] k,
  output logic [YW-1:0]       code
);
  localparam int Levels = bw_pkg::tree_latency(Steps);
  localparam int CmpW   = (XW > TW) ? XW : TW;
  localparam int CountW = 2 + 2 * Levels;

  logic [XW-1:0]            b;
  logic [2*Steps-1:0]       hits;   // one signed operand of two bits per threshold: 0 or 1
  logic signed [CountW-1:0] count;
  logic [(Levels+1)*YW-1:0] first;  // delayed beside the tree
  logic                     unused_high;

  assign unused_high = ^count;  // at most Steps

  assign b = x ^ {XW{k[KW-1]}};

  for (genvar i = 0; i < Steps; i++) begin : gen_step
    always_ff @(posedge clk) hits[2*i +: 2] <= {1'b0, CmpW'($signed(b)) >= CmpW'($signed(k[i*TW +: TW]))};
  end

  bw_adder_tree #(.N(Steps), .W(2)) u_count (.clk, .operands(hits), .sum(count));

  always_ff @(posedge clk) begin
    first <= ((Levels + 1) * YW)'({first, k[Steps*TW +: YW]});
    code  <= first[Levels*YW +: YW] + YW'(count);
  end
endmodule

`default_nettype wire
