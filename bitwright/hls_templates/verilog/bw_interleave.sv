// SPDX-License-Identifier: Apache-2.0
// bw_interleave: words of several streams in turn, Parts[k] words of operand k, then again from the first.
//
// Contract
//   Layout      operand k has s_valid[k], s_ready[k] and s_data[k*Width +: Width]; Parts[k] is 32 bits at 32*k, >= 1.
//   Timing      one word per clock; latency 1.
//   Paths       s_ready, m_valid and m_data are functions of registers.
//   Reset       synchronous, active high: the next word is the first of operand 0.
`default_nettype none

module bw_interleave #(
  parameter int Operands = 2,
  parameter int Width    = 8,
  parameter logic [Operands*32-1:0] Parts = {Operands{32'd1}}
) (
  input  wire  logic                      clk,
  input  wire  logic                      rst,
  input  wire  logic [Operands-1:0]       s_valid,
  output logic [Operands-1:0]             s_ready,
  input  wire  logic [Operands*Width-1:0] s_data,
  output logic                            m_valid,
  input  wire  logic                      m_ready,
  output logic [Width-1:0]                m_data
);
  localparam int TurnW = (Operands > 1) ? $clog2(Operands) : 1;

  logic [TurnW-1:0] turn;
  logic [31:0]      count;  // words of this turn so far
  logic             last, room, valid;
  logic [Width-1:0] word;

  assign last  = count == Parts[turn*32 +: 32] - 32'd1;
  assign valid = s_valid[turn];
  assign word  = s_data[turn*Width +: Width];

  always_comb begin
    s_ready = '0;
    s_ready[turn] = room;
  end

  always_ff @(posedge clk) begin
    if (valid && room) count <= last ? '0 : count + 32'd1;
    if (valid && room && last) turn <= (turn == TurnW'(Operands - 1)) ? '0 : turn + 1'b1;
    if (rst) begin
      count <= '0;
      turn  <= '0;
    end
  end

  bw_elastic_reg #(.Width(Width)) u_reg (
    .clk, .rst, .s_valid(valid), .s_ready(room), .s_data(word), .m_valid, .m_ready, .m_data
  );
endmodule

`default_nettype wire
