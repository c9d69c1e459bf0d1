// SPDX-License-Identifier: Apache-2.0
// bw_mas: multiply-add-shift requantiser, Lanes accumulators to codes, constants per channel.
//
// Contract
//   Channels    lane i of beat b is channel (b mod Folds)*Lanes + i.
//   Constants   k_word is word k_addr of the ROM one clock after k_en, one word per fold, lane i at i*KW,
//               each {high, low, window, m, c} as bw_mas_lane takes them; not read where all are parameters.
//   Timing      one beat per clock; m_valid rises 5 clocks after the beat.
//   Paths       s_ready and m_valid are functions of registers; the datapath runs freely behind credits.
//   Reset       synchronous, active high, control only: the next beat is fold 0.
`default_nettype none

module bw_mas #(
  parameter int Lanes                       = 2,
  parameter int Folds                       = 2,
  parameter int XW                          = 8,                     // bits of an input element
  parameter int XCode                       = 1,                     // its code: bw_pkg
  parameter int MW                          = 4,                     // widths and constants as in bw_mas_lane
  parameter int CW                          = 8,
  parameter int WinW                        = 1,
  parameter int BoundW                      = 5,
  parameter int Factor                      = bw_pkg::Each,
  parameter logic signed [MW-1:0] M         = '0,
  parameter bit EachOffset                  = 1'b1,
  parameter logic signed [CW-1:0] C         = '0,
  parameter bit EachWindow                  = 1'b1,
  parameter logic [WinW-1:0] Window         = '0,
  parameter bit EachBounds                  = 1'b1,
  parameter logic signed [BoundW-1:0] Low   = '0,
  parameter logic signed [BoundW-1:0] High  = '0,
  parameter int UW                          = 12,
  parameter int Shift                       = 4,
  parameter bit Odd                         = 1'b0,
  parameter int YW                          = 4,
  parameter int YCode                       = 1,
  parameter int KW =  // derived: do not override
    bw_pkg::k_bits(Factor, MW, EachOffset, CW, EachWindow, WinW, EachBounds, BoundW),
  parameter int AddrW = (Folds > 1) ? $clog2(Folds) : 1  // derived: do not override
) (
  input  wire  logic                clk,
  input  wire  logic                rst,
  input  wire  logic                s_valid,
  output logic                      s_ready,
  input  wire  logic [Lanes*XW-1:0] s_data,
  output logic                      k_en,
  output logic [AddrW-1:0]          k_addr,
  input  wire  logic [Lanes*KW-1:0] k_word,
  output logic                      m_valid,
  input  wire  logic                m_ready,
  output logic [Lanes*YW-1:0]       m_data
);
  localparam int Latency = 4;  // the input register, then the lanes
  localparam int XValW   = bw_pkg::decoded_bits(XCode, XW);

  logic [Lanes*XW-1:0]    x_q;
  logic [Lanes*XValW-1:0] x;
  logic [Lanes*YW-1:0]    codes;

  assign k_en = s_valid && s_ready;

  always_ff @(posedge clk) begin
    x_q <= s_data;
    if (k_en) k_addr <= (k_addr == AddrW'(Folds - 1)) ? '0 : k_addr + 1'b1;
    if (rst) k_addr <= '0;
  end

  bw_decode #(.Lanes(Lanes), .W(XW), .Code(XCode)) u_x (.coded(x_q), .value(x));
  for (genvar i = 0; i < Lanes; i++) begin : gen_lane
    bw_mas_lane #(
      .XW(XValW), .MW(MW), .CW(CW), .WinW(WinW), .BoundW(BoundW), .Factor(Factor), .M(M), .EachOffset(EachOffset),
      .C(C), .EachWindow(EachWindow), .Window(Window), .EachBounds(EachBounds), .Low(Low), .High(High), .UW(UW),
      .Shift(Shift), .Odd(Odd), .YW(YW), .YCode(YCode)
    ) u_lane (.clk, .x(x[i*XValW +: XValW]), .k(k_word[i*KW +: KW]), .code(codes[i*YW +: YW]));
  end
  bw_credit_pipe #(.Width(Lanes * YW), .Latency(Latency), .Depth(Latency + 2)) u_flow (
    .clk, .rst, .free(s_ready), .take(k_en), .result(codes), .m_valid, .m_ready, .m_data
  );
endmodule

`default_nettype wire
