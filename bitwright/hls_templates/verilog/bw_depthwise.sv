// SPDX-License-Identifier: Apache-2.0
// bw_depthwise: depthwise unit, Lanes channels in parallel, each times its own Multiplier kernels.
//
//   y[c*Multiplier + r] = sum over kernel positions k of  w[c][r][k] * x[k][c]
//
// A beat holds SIMD kernel positions of the same Lanes channels: element [k][c] at (k*Lanes+c)*XW. After the Fold beats
// of a block of channels one beat of Lanes*Multiplier accumulators leaves; then comes the next block, of Blocks.
//
// Contract
//   Weights     w_word is word w_addr of the ROM one clock after w_en; words in the order of use, block major,
//               element [c][r][k] at ((c*Multiplier+r)*SIMD+k)*WW.
//   Timing      one beat per clock, no bubble between blocks or pixels; m_valid rises tree_latency(SIMD) + 4 clocks
//               after the last beat of a block.
//   Paths       s_ready and m_valid are functions of registers; the datapath runs freely behind credits.
//   Widths      exact if every accumulator fits in AccW bits.
//   Reset       synchronous, active high, control only: the next beat is the first of block 0.
`default_nettype none

module bw_depthwise #(
  parameter int Blocks     = 2,
  parameter int Fold       = 9,
  parameter int Lanes      = 2,
  parameter int Multiplier = 1,
  parameter int SIMD       = 1,
  parameter int XW         = 4,   // bits of an input element
  parameter int XCode      = 0,   // its code: bw_pkg
  parameter int WW         = 4,   // bits of a weight
  parameter int WCode      = 1,   // its code: bw_pkg
  parameter int AccW       = 12,  // bits of an accumulator
  parameter int Weights    = Lanes * Multiplier * SIMD,      // in a word; derived: do not override
  parameter int Words      = Blocks * Fold,                  // derived: do not override
  parameter int AddrW      = (Words > 1) ? $clog2(Words) : 1  // derived: do not override
) (
  input  wire  logic                             clk,
  input  wire  logic                             rst,
  input  wire  logic                             s_valid,
  output logic                                   s_ready,
  input  wire  logic [SIMD*Lanes*XW-1:0]         s_data,
  output logic                                   w_en,
  output logic [AddrW-1:0]                       w_addr,
  input  wire  logic [Weights*WW-1:0]            w_word,
  output logic                                   m_valid,
  input  wire  logic                             m_ready,
  output logic [Lanes*Multiplier*AccW-1:0]       m_data
);
  localparam int Latency = bw_pkg::tree_latency(SIMD) + 3;  // from a beat to its sum
  localparam int BeatW   = (Fold > 1) ? $clog2(Fold) : 1;
  localparam int XValW   = bw_pkg::decoded_bits(XCode, XW);
  localparam int WValW   = bw_pkg::decoded_bits(WCode, WW);
  localparam int LaneW   = Multiplier * SIMD * WValW;  // weights of one channel

  logic [BeatW-1:0]                 beat;  // within the block
  logic                             last, free, go, go_q, first_q;
  logic [SIMD*Lanes*XW-1:0]         x_q;  // the beat that meets w_word
  logic [SIMD*Lanes*XValW-1:0]      x_value;
  logic [Weights*WValW-1:0]         w_value;
  logic [Lanes*Multiplier*AccW-1:0] acc;

  assign last    = beat == BeatW'(Fold - 1);  // this beat completes a sum
  assign s_ready = free || !last;
  assign go      = s_valid && s_ready;
  assign w_en    = go;

  always_ff @(posedge clk) begin
    if (go) begin
      beat   <= last ? '0 : beat + 1'b1;
      w_addr <= (w_addr == AddrW'(Words - 1)) ? '0 : w_addr + 1'b1;
    end
    x_q     <= s_data;
    go_q    <= go;
    first_q <= beat == '0;
    if (rst) begin
      beat   <= '0;
      w_addr <= '0;
    end
  end

  bw_decode #(.Lanes(SIMD * Lanes), .W(XW), .Code(XCode)) u_x (.coded(x_q), .value(x_value));
  bw_decode #(.Lanes(Weights), .W(WW), .Code(WCode)) u_w (.coded(w_word), .value(w_value));

  for (genvar c = 0; c < Lanes; c++) begin : gen_channel
    logic [SIMD*XValW-1:0] x;  // the kernel positions of this channel
    for (genvar k = 0; k < SIMD; k++) begin : gen_position
      assign x[k*XValW +: XValW] = x_value[(k*Lanes+c)*XValW +: XValW];
    end
    bw_mac #(
      .Style(bw_pkg::Lut), .PE(Multiplier), .SIMD(SIMD), .XW(XValW), .XCode(bw_pkg::Signed), .WW(WValW),
      .WCode(bw_pkg::Signed), .AccW(AccW)
    ) u_mac (
      .clk, .in_valid(go_q), .in_first(first_q), .in_x(x), .in_w(w_value[c*LaneW +: LaneW]),
      .acc(acc[c*Multiplier*AccW +: Multiplier*AccW])
    );
  end

  bw_credit_pipe #(.Width(Lanes * Multiplier * AccW), .Latency(Latency), .Depth((Latency + 1) / Fold + 2)) u_flow (
    .clk, .rst, .free, .take(go && last), .result(acc), .m_valid, .m_ready, .m_data
  );
endmodule

`default_nettype wire
