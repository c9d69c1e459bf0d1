// SPDX-License-Identifier: Apache-2.0
// bw_sum_reduce: lane by lane the sum of each Fold consecutive beats.
//
// Contract
//   Widths    sums are modulo 2**YW: exact whenever they fit.
//   Timing    one beat per clock; m_valid rises 1 clock after the last beat of a fold.
//   Paths     s_ready, m_valid and m_data are registered (s_ready gated by the count of beats).
//   Reset     synchronous, active high, control only: the next beat is the first of a fold.
`default_nettype none

module bw_sum_reduce #(
  parameter int Fold  = 4,
  parameter int Lanes = 2,
  parameter int XW    = 4,  // bits of an input element
  parameter int XCode = 0,  // its code: bw_pkg
  parameter int YW    = 6   // bits of a sum
) (
  input  wire  logic                clk,
  input  wire  logic                rst,
  input  wire  logic                s_valid,
  output logic                      s_ready,
  input  wire  logic [Lanes*XW-1:0] s_data,
  output logic                      m_valid,
  input  wire  logic                m_ready,
  output logic [Lanes*YW-1:0]       m_data
);
  localparam int CountW = (Fold > 1) ? $clog2(Fold) : 1;

  logic [CountW-1:0]   beat;
  logic                last, room;
  logic [Lanes*YW-1:0] x, so_far, sum;

  assign last    = beat == CountW'(Fold - 1);
  assign s_ready = room || !last;

  bw_decode #(.Lanes(Lanes), .W(XW), .Code(XCode), .OutW(YW)) u_x (.coded(s_data), .value(x));
  for (genvar i = 0; i < Lanes; i++) begin : gen_lane
    assign sum[i*YW +: YW] = x[i*YW +: YW] + ((beat == '0) ? '0 : so_far[i*YW +: YW]);
  end

  always_ff @(posedge clk) begin
    if (s_valid && s_ready) begin
      so_far <= sum;
      beat   <= last ? '0 : beat + 1'b1;
    end
    if (rst) beat <= '0;
  end

  bw_elastic_reg #(.Width(Lanes * YW)) u_reg (
    .clk, .rst, .s_valid(s_valid && last), .s_ready(room), .s_data(sum), .m_valid, .m_ready, .m_data
  );
endmodule

`default_nettype wire
