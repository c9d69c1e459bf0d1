// SPDX-License-Identifier: Apache-2.0
// bw_width_up: Ratio words in, one word out that holds them, the first in the least significant bits.
//
// Contract
//   Timing    one word in per clock; m_valid rises 1 clock after the last of Ratio words.
//   Paths     s_ready, m_valid and m_data are registered (s_ready gated by the count of words).
//   Reset     synchronous, active high, control only: the next word is the first of Ratio.
`default_nettype none

module bw_width_up #(
  parameter int Width = 8,  // bits of a word in
  parameter int Ratio = 2   // >= 2
) (
  input  wire  logic                   clk,
  input  wire  logic                   rst,
  input  wire  logic                   s_valid,
  output logic                         s_ready,
  input  wire  logic [Width-1:0]       s_data,
  output logic                         m_valid,
  input  wire  logic                   m_ready,
  output logic [Ratio*Width-1:0]       m_data
);
  localparam int CountW = $clog2(Ratio);

  logic [CountW-1:0]          count;
  logic [(Ratio-1)*Width-1:0] gathered;  // the newest word in the most significant bits
  logic [Ratio*Width-1:0]     whole;
  logic                       last, room;

  initial if (Ratio < 2) $fatal(1, "bw_width_up: Ratio must be at least 2");

  assign last    = count == CountW'(Ratio - 1);
  assign s_ready = room || !last;
  assign whole   = {s_data, gathered};

  always_ff @(posedge clk) begin
    if (s_valid && s_ready) begin
      gathered <= whole[Ratio*Width-1:Width];
      count    <= last ? '0 : count + 1'b1;
    end
    if (rst) count <= '0;
  end

  bw_elastic_reg #(.Width(Ratio * Width)) u_reg (
    .clk, .rst, .s_valid(s_valid && last), .s_ready(room), .s_data(whole), .m_valid, .m_ready, .m_data
  );
endmodule

`default_nettype wire
