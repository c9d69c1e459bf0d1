// SPDX-License-Identifier: Apache-2.0
// bw_mvu_flow: what every matrix-vector unit has around its arithmetic: order of beats and weights, flow control.
//
// A matrix has RowFold row folds of ColFold beats. The ColFold beats of a vector are read during the first row fold
// and replayed from a buffer for the others; after each row fold one result leaves.
//
// Contract
//   Weights     w_en asks for word w_addr of the ROM; the words are in the order of use, row fold major.
//   Arithmetic  x_valid marks a beat x_data, one clock after its w_en; x_first the first of a fold. acc is the sum up
//               to a beat Latency clocks after its w_en.
//   Timing      Groups*RowFold*ColFold clocks for each set of Groups vectors, no bubble between folds, groups or
//               vectors; m_valid rises Latency + 1 clocks after the last beat of a fold.
//   Paths       s_ready and m_valid are functions of registers; the arithmetic runs freely behind credits.
//   Reset       synchronous, active high, control only: the next beat is the first of group 0.
`default_nettype none

module bw_mvu_flow #(
  parameter int Groups  = 1,
  parameter int RowFold = 2,
  parameter int ColFold = 2,
  parameter int BeatW   = 16,  // bits of an input beat
  parameter int ResultW = 24,  // bits of a result
  parameter int Latency = 4,   // from a beat to its sum
  parameter int Words   = Groups * RowFold * ColFold,     // derived: do not override
  parameter int AddrW   = (Words > 1) ? $clog2(Words) : 1  // derived: do not override
) (
  input  wire  logic               clk,
  input  wire  logic               rst,
  input  wire  logic               s_valid,
  output logic                     s_ready,
  input  wire  logic [BeatW-1:0]   s_data,
  output logic                     w_en,
  output logic [AddrW-1:0]         w_addr,
  output logic                     x_valid,
  output logic                     x_first,
  output logic [BeatW-1:0]         x_data,
  input  wire  logic [ResultW-1:0] acc,
  output logic                     m_valid,
  input  wire  logic               m_ready,
  output logic [ResultW-1:0]       m_data
);
  localparam int ColW = (ColFold > 1) ? $clog2(ColFold) : 1;
  localparam int RowW = (RowFold > 1) ? $clog2(RowFold) : 1;

  logic [ColW-1:0] col;  // beat within the row fold
  logic [RowW-1:0] row;  // row fold
  logic            fresh, last, free, go;

  assign fresh   = row == '0;                            // first row fold: beats come from the stream
  assign last    = col == ColW'(ColFold - 1);            // this beat completes a sum
  assign s_ready = fresh && (free || !last);
  assign go      = (s_valid || !fresh) && (free || !last);
  assign w_en    = go;

  always_ff @(posedge clk) begin
    if (go) begin
      col    <= last ? '0 : col + 1'b1;
      w_addr <= (w_addr == AddrW'(Words - 1)) ? '0 : w_addr + 1'b1;
    end
    if (go && last) row <= (row == RowW'(RowFold - 1)) ? '0 : row + 1'b1;
    x_valid <= go;
    x_first <= col == '0;
    if (rst) begin
      col    <= '0;
      row    <= '0;
      w_addr <= '0;
    end
  end

  bw_replay #(.Width(BeatW), .Words(ColFold), .Times(RowFold)) u_replay (
    .clk, .go, .fresh, .index(col), .s_data, .word(x_data)
  );
  bw_credit_pipe #(.Width(ResultW), .Latency(Latency), .Depth((Latency + 1) / ColFold + 2)) u_flow (
    .clk, .rst, .free, .take(go && last), .result(acc), .m_valid, .m_ready, .m_data
  );
endmodule

`default_nettype wire
