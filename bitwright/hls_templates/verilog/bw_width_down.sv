// SPDX-License-Identifier: Apache-2.0
// bw_width_down: one word in, Ratio words out, the least significant bits first.
//
// The word waits on the input while its parts leave, and is taken with the last of them: no register holds it.
//
// Contract
//   Timing    one word out per clock; m_valid rises 1 clock after s_valid.
//   Paths     s_ready, m_valid and m_data are registered (s_ready gated by the count of parts).
//   Reset     synchronous, active high, control only: the next part is the first of Ratio.
//   Needs     the sender holds s_valid and s_data until s_ready.
`default_nettype none

module bw_width_down #(
  parameter int Width = 8,  // bits of a word out
  parameter int Ratio = 2   // >= 2
) (
  input  wire  logic                   clk,
  input  wire  logic                   rst,
  input  wire  logic                   s_valid,
  output logic                         s_ready,
  input  wire  logic [Ratio*Width-1:0] s_data,
  output logic                         m_valid,
  input  wire  logic                   m_ready,
  output logic [Width-1:0]             m_data
);
  localparam int CountW = $clog2(Ratio);

  logic [CountW-1:0] count;
  logic              last, room;

  initial if (Ratio < 2) $fatal(1, "bw_width_down: Ratio must be at least 2");

  assign last    = count == CountW'(Ratio - 1);
  assign s_ready = room && last;

  always_ff @(posedge clk) begin
    if (s_valid && room) count <= last ? '0 : count + 1'b1;
    if (rst) count <= '0;
  end

  bw_elastic_reg #(.Width(Width)) u_reg (
    .clk, .rst, .s_valid, .s_ready(room), .s_data(s_data[count*Width +: Width]), .m_valid, .m_ready, .m_data
  );
endmodule

`default_nettype wire
