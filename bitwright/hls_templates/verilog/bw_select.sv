// SPDX-License-Identifier: Apache-2.0
// bw_select: matrix-vector unit for n-of-m weights, y = W x for each vector and each of Groups matrices in turn.
//
// A matrix has RowFold*PE rows and ColFold*Sets*Of columns: ColFold beats of Sets*Of elements in, RowFold beats of PE
// accumulators out. Of the Of neighbours of a set a row multiplies Kept, which its choices name.
//
// Contract
//   Choices     k_word is word k_addr of its ROM one clock after k_en; words in the order of use, row fold major,
//               choice [p][i] at ((p*Products)+i)*ChoiceW.
//   Weights     w_word is word w_addr of its ROM one clock after w_en; element [p][i] at ((p*Products)+i)*WW.
//   Style       and all that follows from it: bw_mac; with Dsp each product has a multiplier of its own.
//   Timing      Groups*RowFold*ColFold clocks for each set of Groups vectors, no bubble between folds, groups or
//               vectors; m_valid rises mac_latency(Style, Products) + 3 clocks after the last beat of a fold.
//   Paths       s_ready and m_valid are functions of registers.
//   Widths      exact if every accumulator fits in AccW bits.
//   Reset       synchronous, active high, control only: the next beat is the first of group 0.
`default_nettype none

module bw_select #(
  parameter int Style   = 0,   // how it multiplies: bw_pkg
  parameter int Groups  = 1,
  parameter int RowFold = 2,
  parameter int ColFold = 2,
  parameter int PE      = 2,
  parameter int Sets    = 2,   // sets of neighbours in a beat
  parameter int Of      = 4,   // elements of a set
  parameter int Kept    = 2,   // multipliers of a set
  parameter int XW      = 4,   // bits of an input element
  parameter int XCode   = 0,   // its code: bw_pkg
  parameter int WW      = 4,   // bits of a weight
  parameter int WCode   = 1,   // its code: bw_pkg
  parameter int AccW    = 12,  // bits of an accumulator
  parameter int Stride  = 16,  // Dsp: bits of a product
  parameter int PackW   = 4,   // Dsp: bits of a signed weight
  parameter logic [Stride-1:0] Bias = {1'b1, {(Stride-1){1'b0}}},  // Dsp: makes every product 0 or more
  parameter int Words    = Groups * RowFold * ColFold,      // derived: do not override
  parameter int AddrW    = (Words > 1) ? $clog2(Words) : 1,  // derived: do not override
  parameter int ChoiceW  = $clog2(Of),                       // derived: do not override
  parameter int Products = Sets * Kept                       // derived: do not override
) (
  input  wire  logic                           clk,
  input  wire  logic                           rst,
  input  wire  logic                           s_valid,
  output logic                                 s_ready,
  input  wire  logic [Sets*Of*XW-1:0]          s_data,
  output logic                                 k_en,
  output logic [AddrW-1:0]                     k_addr,
  input  wire  logic [PE*Products*ChoiceW-1:0] k_word,
  output logic                                 w_en,
  output logic [AddrW-1:0]                     w_addr,
  input  wire  logic [PE*Products*WW-1:0]      w_word,
  output logic                                 m_valid,
  input  wire  logic                           m_ready,
  output logic [PE*AccW-1:0]                   m_data
);
  localparam int Latency = bw_pkg::mac_latency(Style, Products) + 2;  // from a beat to its sum

  logic                      x_valid, x_first;
  logic [PE*Products*XW-1:0] x_data;
  logic [PE*AccW-1:0]        acc;

  bw_select_flow #(
    .Groups(Groups), .RowFold(RowFold), .ColFold(ColFold), .PE(PE), .Sets(Sets), .Of(Of), .Kept(Kept), .XW(XW),
    .ResultW(PE * AccW), .Latency(Latency)
  ) u_flow (
    .clk, .rst, .s_valid, .s_ready, .s_data, .k_en, .k_addr, .k_word, .w_en, .w_addr, .x_valid, .x_first, .x_data,
    .acc, .m_valid, .m_ready, .m_data
  );

  for (genvar p = 0; p < PE; p++) begin : gen_pe
    bw_mac #(
      .Style(Style), .PE(1), .SIMD(Products), .XW(XW), .XCode(XCode), .WW(WW), .WCode(WCode), .AccW(AccW),
      .Cols(ColFold * Products), .Stride(Stride), .PackW(PackW), .Bias(Bias)
    ) u_mac (
      .clk, .in_valid(x_valid), .in_first(x_first), .in_x(x_data[p*Products*XW +: Products*XW]),
      .in_w(w_word[p*Products*WW +: Products*WW]), .acc(acc[p*AccW +: AccW])
    );
  end
endmodule

`default_nettype wire
