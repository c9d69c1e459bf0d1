// SPDX-License-Identifier: Apache-2.0
// bw_sparse: matrix-vector unit that skips zeros by a schedule, y = W x for each vector.
//
// A vector comes in ColFold beats of SIMD elements. Each of Ports ports reads a beat of it in each clock, for Lanes of
// the Ports*Lanes accumulators; after each row fold a beat of all of them leaves.
//
// Contract
//   Schedule    k_word, FirstLast, Depth as bw_sparse_flow needs them.
//   Weights     w_word is word w_addr of the ROM one clock after w_en; the words are those of the schedule, element
//               [p][s] at ((p*SIMD)+s)*WW.
//   Style       and all that follows from it: bw_mac.
//   Timing      max(ColFold, Words) clocks for each vector; m_valid rises mac_latency(Style, SIMD) + 3 clocks after the
//               k_en of the last word of a fold.
//   Paths       s_ready and m_valid are functions of registers, k_en of registers and k_word.
//   Widths      exact if every accumulator fits in AccW bits.
//   Reset       synchronous, active high, control only: the next beat is the first of a vector.
`default_nettype none

module bw_sparse #(
  parameter int Style   = 0,   // how it multiplies: bw_pkg
  parameter int ColFold = 2,
  parameter int Words   = 3,   // of the schedule
  parameter int Ports   = 2,
  parameter int Lanes   = 1,   // accumulators of a port
  parameter int SIMD    = 4,
  parameter int XW      = 4,   // bits of an input element
  parameter int XCode   = 0,   // its code: bw_pkg
  parameter int WW      = 4,   // bits of a weight
  parameter int WCode   = 1,   // its code: bw_pkg
  parameter int AccW    = 12,  // bits of an accumulator
  parameter int Shared  = 1,   // Dsp: products of one multiplier
  parameter int Stride  = 16,  // Dsp: bits of one of them
  parameter int PackW   = 4,   // Dsp: bits of the packed weights
  parameter logic [Stride-1:0] Bias = {1'b1, {(Stride-1){1'b0}}},  // Dsp: makes every product 0 or more
  parameter int Depth   = 4,   // results on the way or waiting
  parameter logic FirstLast = 1'b0,
  parameter int PE      = Ports * Lanes,                        // derived: do not override
  parameter int ColW    = (ColFold > 1) ? $clog2(ColFold) : 1,  // derived: do not override
  parameter int AddrW   = (Words > 1) ? $clog2(Words) : 1       // derived: do not override
) (
  input  wire  logic                  clk,
  input  wire  logic                  rst,
  input  wire  logic                  s_valid,
  output logic                        s_ready,
  input  wire  logic [SIMD*XW-1:0]    s_data,
  output logic                        k_en,
  output logic [AddrW-1:0]            k_addr,
  input  wire  logic [Ports*ColW:0]   k_word,
  output logic                        w_en,
  output logic [AddrW-1:0]            w_addr,
  input  wire  logic [PE*SIMD*WW-1:0] w_word,
  output logic                        m_valid,
  input  wire  logic                  m_ready,
  output logic [PE*AccW-1:0]          m_data
);
  localparam int BeatW   = SIMD * XW;
  localparam int Latency = bw_pkg::mac_latency(Style, SIMD) + 2;  // from a word to its sum

  logic                   x_valid, x_first;
  logic [Ports*BeatW-1:0] x_data;
  logic [PE*AccW-1:0]     acc;

  bw_sparse_flow #(
    .ColFold(ColFold), .Words(Words), .Ports(Ports), .BeatW(BeatW), .ResultW(PE * AccW), .Latency(Latency),
    .Depth(Depth), .FirstLast(FirstLast)
  ) u_flow (
    .clk, .rst, .s_valid, .s_ready, .s_data, .k_en, .k_addr, .k_word, .w_en, .w_addr, .x_valid, .x_first, .x_data,
    .acc, .m_valid, .m_ready, .m_data
  );

  for (genvar p = 0; p < Ports; p++) begin : gen_port
    bw_mac #(
      .Style(Style), .PE(Lanes), .SIMD(SIMD), .XW(XW), .XCode(XCode), .WW(WW), .WCode(WCode), .AccW(AccW), .Cols(0),
      .Lanes(Shared), .Stride(Stride), .PackW(PackW), .Bias(Bias)
    ) u_mac (
      .clk, .in_valid(x_valid), .in_first(x_first), .in_x(x_data[p*BeatW +: BeatW]),
      .in_w(w_word[p*Lanes*SIMD*WW +: Lanes*SIMD*WW]), .acc(acc[p*Lanes*AccW +: Lanes*AccW])
    );
  end
endmodule

`default_nettype wire
