// SPDX-License-Identifier: Apache-2.0
// bw_axis_source: internal stream to AXI4-Stream master. With bw_axis_sink the only place that knows bytes and frames.
//
// Contract
//   Layout    element i of Lanes goes to tdata[i*ByteW +: ByteW], extended to whole bytes: by its sign if its code
//             is signed, by zeros otherwise.
//   Frames    tlast is high on the last of every Beats transfers, and on no other.
//   Timing    tvalid, tdata and tlast are registered; tready reaches no output combinationally; latency 1.
//   Reset     synchronous, active high.
`default_nettype none

module bw_axis_source #(
  parameter int Lanes = 2,
  parameter int ElemW = 6,
  parameter int Code  = 1,                     // bw_pkg: Unsigned, Signed or Bipolar
  parameter int Beats = 5,                     // transfers in a frame
  parameter int ByteW = 8 * ((ElemW + 7) / 8)  // derived: do not override
) (
  input  wire  logic                   clk,
  input  wire  logic                   rst,
  input  wire  logic                   s_valid,
  output logic                         s_ready,
  input  wire  logic [Lanes*ElemW-1:0] s_data,
  output logic                         m_axis_tvalid,
  input  wire  logic                   m_axis_tready,
  output logic [Lanes*ByteW-1:0]       m_axis_tdata,
  output logic                         m_axis_tlast
);
  localparam int CountW = (Beats > 1) ? $clog2(Beats) : 1;

  logic [CountW-1:0]      beat;
  logic                   last;
  logic [Lanes*ByteW-1:0] padded;

  assign last = beat == CountW'(Beats - 1);
  for (genvar i = 0; i < Lanes; i++) begin : gen_lane
    if (Code == bw_pkg::Signed) begin : gen_sign
      assign padded[i*ByteW +: ByteW] = ByteW'($signed(s_data[i*ElemW +: ElemW]));
    end else begin : gen_zero
      assign padded[i*ByteW +: ByteW] = ByteW'(s_data[i*ElemW +: ElemW]);
    end
  end

  always_ff @(posedge clk) begin
    if (s_valid && s_ready) beat <= last ? '0 : beat + 1'b1;
    if (rst) beat <= '0;
  end

  bw_elastic_reg #(.Width(Lanes * ByteW + 1)) u_reg (
    .clk, .rst, .s_valid, .s_ready, .s_data({last, padded}),
    .m_valid(m_axis_tvalid), .m_ready(m_axis_tready), .m_data({m_axis_tlast, m_axis_tdata})
  );
endmodule

`default_nettype wire
