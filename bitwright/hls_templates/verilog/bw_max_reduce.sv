// SPDX-License-Identifier: Apache-2.0
// bw_max_reduce: lane by lane the largest element of each Fold consecutive beats.
//
// Contract
//   Code      XCode orders the elements; a bipolar bit orders like an unsigned one.
//   Timing    one beat per clock; m_valid rises 1 clock after the last beat of a fold.
//   Paths     s_ready, m_valid and m_data are registered (s_ready gated by the count of beats).
//   Reset     synchronous, active high, control only: the next beat is the first of a fold.
`default_nettype none

module bw_max_reduce #(
  parameter int Fold  = 4,
  parameter int Lanes = 2,
  parameter int XW    = 4,
  parameter int XCode = 0   // bw_pkg
) (
  input  wire  logic                clk,
  input  wire  logic                rst,
  input  wire  logic                s_valid,
  output logic                      s_ready,
  input  wire  logic [Lanes*XW-1:0] s_data,
  output logic                      m_valid,
  input  wire  logic                m_ready,
  output logic [Lanes*XW-1:0]       m_data
);
  localparam int CountW = (Fold > 1) ? $clog2(Fold) : 1;
  localparam logic [XW-1:0] Flip = (XCode == bw_pkg::Signed) ? XW'(1) << (XW - 1) : '0;  // orders as unsigned

  logic [CountW-1:0]   beat;
  logic                last, room;
  logic [Lanes*XW-1:0] best, largest;

  assign last    = beat == CountW'(Fold - 1);
  assign s_ready = room || !last;

  for (genvar i = 0; i < Lanes; i++) begin : gen_lane
    logic keep;
    assign keep = beat != '0 && (best[i*XW +: XW] ^ Flip) > (s_data[i*XW +: XW] ^ Flip);
    assign largest[i*XW +: XW] = keep ? best[i*XW +: XW] : s_data[i*XW +: XW];
  end

  always_ff @(posedge clk) begin
    if (s_valid && s_ready) begin
      best <= largest;
      beat <= last ? '0 : beat + 1'b1;
    end
    if (rst) beat <= '0;
  end

  bw_elastic_reg #(.Width(Lanes * XW)) u_reg (
    .clk, .rst, .s_valid(s_valid && last), .s_ready(room), .s_data(largest), .m_valid, .m_ready, .m_data
  );
endmodule

`default_nettype wire
