// SPDX-License-Identifier: Apache-2.0
// bw_fork: every word to each of Copies outputs.
//
// A word is taken when every output has room in its elastic register, so an output may run two words ahead of another.
//
// Contract
//   Layout      output i has m_valid[i], m_ready[i] and m_data[i*Width +: Width].
//   Stability   of each output as in bw_elastic_reg.
//   Timing      s_ready, m_valid and m_data are functions of registers; latency 1, one word per clock.
//   Reset       synchronous, active high, empties the registers.
`default_nettype none

module bw_fork #(
  parameter int Width  = 8,
  parameter int Copies = 2  // outputs, >= 2
) (
  input  wire  logic                    clk,
  input  wire  logic                    rst,
  input  wire  logic                    s_valid,
  output logic                          s_ready,
  input  wire  logic [Width-1:0]        s_data,
  output logic [Copies-1:0]             m_valid,
  input  wire  logic [Copies-1:0]       m_ready,
  output logic [Copies*Width-1:0]       m_data
);
  logic [Copies-1:0] room;

  assign s_ready = &room;

  for (genvar i = 0; i < Copies; i++) begin : gen_copy
    bw_elastic_reg #(.Width(Width)) u_reg (
      .clk, .rst, .s_valid(s_valid && s_ready), .s_ready(room[i]), .s_data,
      .m_valid(m_valid[i]), .m_ready(m_ready[i]), .m_data(m_data[i*Width +: Width])
    );
  end
endmodule

`default_nettype wire
