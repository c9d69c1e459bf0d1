// SPDX-License-Identifier: Apache-2.0
// bw_axis_sink: AXI4-Stream slave to internal stream. With bw_axis_source the only place that knows bytes and frames.
//
// Contract
//   Layout    element i of Lanes is the low ElemW bits of tdata[i*ByteW +: ByteW]; the bits above are ignored.
//   Frames    are counted, Beats transfers each: tlast is checked, never trusted. frame_error rises and stays
//             when tlast was not high on the last transfer of a frame, or was on another.
//   Timing    tready, m_valid and m_data are registered; latency 1, one word per clock.
//   Reset     synchronous, active high.
`default_nettype none

module bw_axis_sink #(
  parameter int Lanes = 2,
  parameter int ElemW = 6,
  parameter int Beats = 5,                     // transfers in a frame
  parameter int ByteW = 8 * ((ElemW + 7) / 8)  // derived: do not override
) (
  input  wire  logic                   clk,
  input  wire  logic                   rst,
  input  wire  logic                   s_axis_tvalid,
  output logic                         s_axis_tready,
  input  wire  logic [Lanes*ByteW-1:0] s_axis_tdata,
  input  wire  logic                   s_axis_tlast,
  output logic                         frame_error,
  output logic                         m_valid,
  input  wire  logic                   m_ready,
  output logic [Lanes*ElemW-1:0]       m_data
);
  localparam int CountW = (Beats > 1) ? $clog2(Beats) : 1;

  logic [CountW-1:0]      beat;
  logic                   last, taken, unused_padding;
  logic [Lanes*ElemW-1:0] elements;

  assign last           = beat == CountW'(Beats - 1);
  assign taken          = s_axis_tvalid && s_axis_tready;
  assign unused_padding = ^s_axis_tdata;
  for (genvar i = 0; i < Lanes; i++) begin : gen_lane
    assign elements[i*ElemW +: ElemW] = s_axis_tdata[i*ByteW +: ElemW];
  end

  always_ff @(posedge clk) begin
    if (taken) beat <= last ? '0 : beat + 1'b1;
    if (taken && s_axis_tlast != last) frame_error <= 1'b1;
    if (rst) begin
      beat        <= '0;
      frame_error <= 1'b0;
    end
  end

  bw_elastic_reg #(.Width(Lanes * ElemW)) u_reg (
    .clk, .rst, .s_valid(s_axis_tvalid), .s_ready(s_axis_tready), .s_data(elements), .m_valid, .m_ready, .m_data
  );
endmodule

`default_nettype wire
