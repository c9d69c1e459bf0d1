// SPDX-License-Identifier: Apache-2.0
// bw_mvu: matrix-vector unit, PE x SIMD multipliers, y = W x for each vector and each of Groups matrices in turn.
//
// A matrix has RowFold*PE rows and ColFold*SIMD columns. The ColFold beats of a vector are read during the first row
// fold and replayed from a buffer for the others; after each row fold one beat of PE accumulators leaves.
//
// Contract
//   Weights     w_word is word w_addr of the ROM one clock after w_en; words in the order of use, row fold major,
//               element [p][s] at ((p*SIMD)+s)*WW.
//   Timing      Groups*RowFold*ColFold clocks for each set of Groups vectors, no bubble between folds, groups or
//               vectors; m_valid rises tree_latency(SIMD) + 4 clocks after the last beat of a fold.
//   Paths       s_ready and m_valid are functions of registers; the datapath runs freely behind credits.
//   Widths      exact if every accumulator fits in AccW bits.
//   Reset       synchronous, active high, control only: the next beat is the first of group 0.
`default_nettype none

module bw_mvu #(
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
  localparam int Latency = bw_pkg::tree_latency(SIMD) + 3;  // from a beat to its sum
  localparam int ColW    = (ColFold > 1) ? $clog2(ColFold) : 1;
  localparam int RowW    = (RowFold > 1) ? $clog2(RowFold) : 1;
  localparam int XValW   = bw_pkg::decoded_bits(XCode, XW);
  localparam int WValW   = bw_pkg::decoded_bits(WCode, WW);

  logic [ColW-1:0]          col;  // beat within the row fold
  logic [RowW-1:0]          row;  // row fold
  logic                     fresh, last, free, go, go_q, first_q;
  logic [SIMD*XW-1:0]       x_q;  // the beat that meets w_word
  logic [SIMD*XValW-1:0]    x_value;
  logic [PE*SIMD*WValW-1:0] w_value;
  logic [PE*AccW-1:0]       acc;

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
    go_q    <= go;
    first_q <= col == '0;
    if (rst) begin
      col    <= '0;
      row    <= '0;
      w_addr <= '0;
    end
  end

  bw_replay #(.Width(SIMD * XW), .Words(ColFold), .Times(RowFold)) u_replay (
    .clk, .go, .fresh, .index(col), .s_data, .word(x_q)
  );
  bw_decode #(.Lanes(SIMD), .W(XW), .Code(XCode)) u_x (.coded(x_q), .value(x_value));
  bw_decode #(.Lanes(PE * SIMD), .W(WW), .Code(WCode)) u_w (.coded(w_word), .value(w_value));
  bw_mac #(.PE(PE), .SIMD(SIMD), .XW(XValW), .WW(WValW), .AccW(AccW)) u_mac (
    .clk, .in_valid(go_q), .in_first(first_q), .in_x(x_value), .in_w(w_value), .acc
  );
  bw_credit_pipe #(.Width(PE * AccW), .Latency(Latency), .Depth((Latency + 1) / ColFold + 2)) u_flow (
    .clk, .rst, .free, .take(go && last), .result(acc), .m_valid, .m_ready, .m_data
  );
endmodule

`default_nettype wire
