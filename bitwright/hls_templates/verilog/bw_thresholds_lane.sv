// SPDX-License-Identifier: Apache-2.0
// bw_thresholds_lane: one lane of the threshold requantiser, by halving. Free running.
//
//   b = falling ? ~x : x;  code = first + #{i : b >= t[i]},  t ascending, 2**Bits - 1 of them
//
// Each stage compares b with the middle threshold and keeps the half in which the count lies.
//
// Contract
//   Layout    k = {falling, first, t[2**Bits-2], ..., t[0]}; x and t are signed, first is modulo 2**YW.
//   Timing    latency Bits; one element per clock.
//   Reset     none.
`default_nettype none

module bw_thresholds_lane #(
  parameter int XW   = 8,
  parameter int TW   = 8,                                 // bits of a threshold
  parameter int Bits = 2,                                 // >= 1
  parameter int YW   = 2,                                 // bits of a code
  parameter int KW   = ((1 << Bits) - 1) * TW + YW + 1    // derived: do not override
) (
  input  wire  logic          clk,
  input  wire  logic [XW-1:0] x,
  input  wire  logic [KW-1:0] k,
  output logic [YW-1:0]       code
);
  localparam int CmpW = (XW > TW) ? XW : TW;

  for (genvar v = 0; v < Bits; v++) begin : gen_stage
    localparam int Middle = (1 << (Bits - 1 - v)) - 1;  // of the 2*Middle + 1 thresholds that are left
    logic [(2*Middle+1)*TW-1:0] t;
    logic signed [XW-1:0]       b;
    logic [Bits-1:0]            count;  // the bits that are known, the last one lowest
    logic [YW-1:0]              first;
    logic                       hit;

    assign hit = CmpW'(b) >= CmpW'($signed(t[Middle*TW +: TW]));

    if (v == 0) begin : gen_input
      assign t     = k[(2*Middle+1)*TW-1:0];
      assign b     = x ^ {XW{k[KW-1]}};
      assign count = '0;
      assign first = k[(2*Middle+1)*TW +: YW];
    end else begin : gen_half
      always_ff @(posedge clk) begin
        t     <= gen_stage[v-1].hit ? gen_stage[v-1].t[(2*Middle+2)*TW +: (2*Middle+1)*TW]
                                    : gen_stage[v-1].t[0 +: (2*Middle+1)*TW];
        b     <= gen_stage[v-1].b;
        count <= Bits'({gen_stage[v-1].count, gen_stage[v-1].hit});
        first <= gen_stage[v-1].first;
      end
    end
  end

  always_ff @(posedge clk) begin
    code <= gen_stage[Bits-1].first + YW'({gen_stage[Bits-1].count, gen_stage[Bits-1].hit});
  end
endmodule

`default_nettype wire
