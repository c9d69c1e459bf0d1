// SPDX-License-Identifier: Apache-2.0
// bw_mvu: matrix-vector unit, y = W x for each vector and each of Groups matrices in turn.
//
// A matrix has RowFold*PE rows and ColFold*SIMD columns: ColFold beats of SIMD elements in, RowFold beats of PE
// accumulators out.
//
// Contract
//   Weights     w_word is word w_addr of the ROM one clock after w_en; words in the order of use, row fold major,
//               element [p][s] at ((p*SIMD)+s)*WW.
//   Style       and all that follows from it: bw_mac.
//   Timing      Groups*RowFold*ColFold clocks for each set of Groups vectors, no bubble between folds, groups or
//               vectors; m_valid rises mac_latency(Style, SIMD) + 2 clocks after the last beat of a fold.
//   Paths       s_ready and m_valid are functions of registers.
//   Widths      exact if every accumulator fits in AccW bits.
//   Reset       synchronous, active high, control only: the next beat is the first of group 0.
`default_nettype none

module bw_mvu #(
  parameter int Style   = 0,   // how it multiplies: bw_pkg
  parameter int Groups  = 1,
  parameter int RowFold = 2,
  parameter int ColFold = 2,
  parameter int PE      = 2,
  parameter int SIMD    = 4,
  parameter int XW      = 4,   // bits of an input element
  parameter int XCode   = 0,   // its code: bw_pkg
  parameter int WW      = 4,   // bits of a weight
  parameter int WCode   = 1,   // its code: bw_pkg
  parameter int AccW    = 12,  // bits of an accumulator
  parameter int Lanes   = 1,   // Dsp: products of one multiplier
  parameter int Stride  = 16,  // Dsp: bits of one of them
  parameter int PackW   = 4,   // Dsp: bits of the packed weights
  parameter logic [Stride-1:0] Bias = {1'b1, {(Stride-1){1'b0}}},  // Dsp: makes every product 0 or more
  parameter int Words   = Groups * RowFold * ColFold,     // derived: do not override
  parameter int AddrW   = (Words > 1) ? $clog2(Words) : 1  // derived: do not override
) (
  input  wire  logic                  clk,
  input  wire  logic                  rst,
  input  wire  logic                  s_valid,
  output logic                        s_ready,
  input  wire  logic [SIMD*XW-1:0]    s_data,
  output logic                        w_en,
  output logic [AddrW-1:0]            w_addr,
  input  wire  logic [PE*SIMD*WW-1:0] w_word,
  output logic                        m_valid,
  input  wire  logic                  m_ready,
  output logic [PE*AccW-1:0]          m_data
);
  localparam int Latency = bw_pkg::mac_latency(Style, SIMD) + 1;  // from a beat to its sum

  logic               x_valid, x_first;
  logic [SIMD*XW-1:0] x_data;
  logic [PE*AccW-1:0] acc;

  bw_mvu_flow #(
    .Groups(Groups), .RowFold(RowFold), .ColFold(ColFold), .BeatW(SIMD * XW), .ResultW(PE * AccW), .Latency(Latency)
  ) u_flow (
    .clk, .rst, .s_valid, .s_ready, .s_data, .w_en, .w_addr, .x_valid, .x_first, .x_data, .acc,
    .m_valid, .m_ready, .m_data
  );
  bw_mac #(
    .Style(Style), .PE(PE), .SIMD(SIMD), .XW(XW), .XCode(XCode), .WW(WW), .WCode(WCode), .AccW(AccW),
    .Cols(ColFold * SIMD), .Lanes(Lanes), .Stride(Stride), .PackW(PackW), .Bias(Bias)
  ) u_mac (
    .clk, .in_valid(x_valid), .in_first(x_first), .in_x(x_data), .in_w(w_word), .acc
  );
endmodule

`default_nettype wire
