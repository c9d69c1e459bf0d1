// SPDX-License-Identifier: Apache-2.0
// bw_lookup: requantiser by table, Lanes codes in, Lanes codes out, the same table for every lane.
//
// Contract
//   Table     port i of the ROM is addressed by the coded bits of lane i; its word follows by one clock.
//   Timing    one beat per clock; m_valid rises 2 clocks after the beat.
//   Paths     s_ready and m_valid are functions of registers; the ROM runs freely behind credits.
//   Reset     synchronous, active high, control only.
`default_nettype none

module bw_lookup #(
  parameter int Lanes = 2,
  parameter int XW    = 4,  // bits of an input code
  parameter int YW    = 4   // bits of an output code
) (
  input  wire  logic                clk,
  input  wire  logic                rst,
  input  wire  logic                s_valid,
  output logic                      s_ready,
  input  wire  logic [Lanes*XW-1:0] s_data,
  output logic                      k_en,
  output logic [Lanes*XW-1:0]       k_addr,
  input  wire  logic [Lanes*YW-1:0] k_word,
  output logic                      m_valid,
  input  wire  logic                m_ready,
  output logic [Lanes*YW-1:0]       m_data
);
  assign k_en   = s_valid && s_ready;
  assign k_addr = s_data;

  bw_credit_pipe #(.Width(Lanes * YW), .Latency(1), .Depth(3)) u_flow (
    .clk, .rst, .free(s_ready), .take(k_en), .result(k_word), .m_valid, .m_ready, .m_data
  );
endmodule

`default_nettype wire
