// SPDX-License-Identifier: Apache-2.0
// bw_select_flow: what every matrix-vector unit for n-of-m weights has around its arithmetic: bw_mvu_flow, and before
// each multiplier a selector that takes one of m neighbouring elements.
//
//   x_data[p][s*Kept + i] = element choice[p][s*Kept + i] of the s-th set of Of neighbours in the beat
//
// Contract
//   Choices     k_word is word k_addr of its ROM one clock after k_en: choice [p][i] at ((p*Products)+i)*ChoiceW.
//   Weights     w_en asks for word w_addr of the ROM, one clock after the choices of the same beat.
//   Arithmetic  x_valid marks the elements x_data of a beat, one clock after its w_en; x_first the first of a fold. acc
//               is the sum up to a beat Latency clocks after its k_en.
//   Timing      as bw_mvu_flow; m_valid rises Latency + 1 clocks after the last beat of a fold.
//   Paths       s_ready and m_valid are functions of registers; the arithmetic runs freely behind credits.
//   Reset       synchronous, active high, control only: the next beat is the first of group 0.
`default_nettype none

module bw_select_flow #(
  parameter int Groups  = 1,
  parameter int RowFold = 2,
  parameter int ColFold = 2,
  parameter int PE      = 2,
  parameter int Sets    = 2,   // sets of neighbours in a beat
  parameter int Of      = 4,   // elements of a set
  parameter int Kept    = 2,   // multipliers of a set
  parameter int XW      = 4,   // bits of an input element
  parameter int ResultW = 24,  // bits of a result
  parameter int Latency = 5,   // from a beat to its sum
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
  output logic                                 x_valid,
  output logic                                 x_first,
  output logic [PE*Products*XW-1:0]            x_data,
  input  wire  logic [ResultW-1:0]             acc,
  output logic                                 m_valid,
  input  wire  logic                           m_ready,
  output logic [ResultW-1:0]                   m_data
);
  logic                  valid, first;
  logic [Sets*Of*XW-1:0] beat;

  bw_mvu_flow #(
    .Groups(Groups), .RowFold(RowFold), .ColFold(ColFold), .BeatW(Sets * Of * XW), .ResultW(ResultW), .Latency(Latency)
  ) u_flow (
    .clk, .rst, .s_valid, .s_ready, .s_data, .w_en(k_en), .w_addr(k_addr), .x_valid(valid), .x_first(first),
    .x_data(beat), .acc, .m_valid, .m_ready, .m_data
  );

  always_ff @(posedge clk) begin
    w_en    <= k_en;
    w_addr  <= k_addr;
    x_valid <= valid;
    x_first <= first;
  end

  for (genvar p = 0; p < PE; p++) begin : gen_pe
    for (genvar i = 0; i < Products; i++) begin : gen_product
      localparam int Place = p * Products + i;
      logic [Of*XW-1:0]   set;
      logic [ChoiceW-1:0] choice;
      logic [XW-1:0]      chosen;

      assign set    = beat[(i/Kept)*Of*XW +: Of*XW];
      assign choice = k_word[Place*ChoiceW +: ChoiceW];

      always_ff @(posedge clk) chosen <= set[choice*XW +: XW];
      assign x_data[Place*XW +: XW] = chosen;
    end
  end
endmodule

`default_nettype wire
