// SPDX-License-Identifier: Apache-2.0
// bw_elastic_reg: two-entry elastic register. Cuts every combinational path of a stream.
//
// Contract
//   Transfer    a word moves when valid and ready are both high at a rising clock edge.
//   Order       words leave in order, none lost, none repeated.
//   Stability   once m_valid is high, m_valid and m_data hold until m_ready.
//   Timing      s_ready, m_valid and m_data are registered; latency 1, one word per clock.
//   Reset       synchronous, active high, empties both entries; data is not reset.
//   Needs       the sender holds s_valid and s_data until s_ready.
`default_nettype none

module bw_elastic_reg #(
  parameter int Width = 8  // payload bits, >= 1
) (
  input  wire  logic             clk,
  input  wire  logic             rst,
  input  wire  logic             s_valid,
  output logic                   s_ready,
  input  wire  logic [Width-1:0] s_data,
  output logic                   m_valid,
  input  wire  logic             m_ready,
  output logic [Width-1:0]       m_data
);
  logic             skid_valid;  // the word that arrived while the output was stalled
  logic [Width-1:0] skid_data;

  initial if (Width < 1) $fatal(1, "bw_elastic_reg: Width must be at least 1");

  assign s_ready = !skid_valid;

  always_ff @(posedge clk) begin
    if (m_ready || !m_valid) begin
      m_valid    <= s_valid || skid_valid;
      m_data     <= skid_valid ? skid_data : s_data;
      skid_valid <= 1'b0;
    end else if (s_valid && s_ready) begin
      skid_valid <= 1'b1;
      skid_data  <= s_data;
    end
    if (rst) begin
      m_valid    <= 1'b0;
      skid_valid <= 1'b0;
    end
  end
endmodule

`default_nettype wire
