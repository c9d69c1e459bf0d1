// SPDX-License-Identifier: Apache-2.0
// bw_multiplier: lane by lane the product of two streams, each less its zero point.
//
//   y = (x[0] - Zero0) * (x[1] - Zero1)
//
// Contract
//   Layout      operand k has s_valid[k], s_ready[k] and s_data[k*Lanes*XW +: Lanes*XW], signed elements.
//   Timing      one beat of each operand per clock; m_valid rises 3 clocks after the last.
//   Paths       s_ready is high when both operands are valid and there is a credit; no path from m_ready.
//   Widths      products are modulo 2**YW: exact whenever they fit.
//   Reset       synchronous, active high, control only.
`default_nettype none

module bw_multiplier #(
  parameter int Lanes = 2,
  parameter int XW    = 5,  // bits of an operand, signed; the difference to its zero point fits too
  parameter int YW    = 10, // bits of a product
  parameter logic signed [XW-1:0] Zero0 = '0,
  parameter logic signed [XW-1:0] Zero1 = '0
) (
  input  wire  logic                  clk,
  input  wire  logic                  rst,
  input  wire  logic [1:0]            s_valid,
  output logic [1:0]                  s_ready,
  input  wire  logic [2*Lanes*XW-1:0] s_data,
  output logic                        m_valid,
  input  wire  logic                  m_ready,
  output logic [Lanes*YW-1:0]         m_data
);
  logic                free, take;
  logic [Lanes*YW-1:0] products;

  assign take    = free && (&s_valid);
  assign s_ready = {2{take}};

  for (genvar i = 0; i < Lanes; i++) begin : gen_lane
    logic signed [XW-1:0]   a, b;
    logic signed [2*XW-1:0] product;
    logic                   unused_high;

    always_ff @(posedge clk) begin
      a       <= $signed(s_data[i*XW +: XW]) - Zero0;
      b       <= $signed(s_data[(Lanes+i)*XW +: XW]) - Zero1;
      product <= (2*XW)'(a) * (2*XW)'(b);
    end
    assign unused_high          = ^product;
    assign products[i*YW +: YW] = YW'(product);
  end

  bw_credit_pipe #(.Width(Lanes * YW), .Latency(2), .Depth(4)) u_flow (
    .clk, .rst, .free, .take, .result(products), .m_valid, .m_ready, .m_data
  );
endmodule

`default_nettype wire
