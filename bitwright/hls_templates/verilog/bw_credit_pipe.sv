// SPDX-License-Identifier: Apache-2.0
// bw_credit_pipe: flow control around a datapath that cannot stall.
//
// The datapath is free running: no enable, no ready, Latency clocks from `take` to its result. A result is taken on
// only with a credit, and a credit is a free place in the output FIFO, so the result always has a place to land.
// The stall path is one counter, not an enable on every register.
//
// Contract
//   Needs       take only while free is high; result is the datapath's output, Latency clocks after take.
//   Timing      free and m_valid are functions of registers; no path from m_ready to free.
//               m_valid rises Latency + 1 clocks after take.
//   Throughput  one result per clock when Depth >= Latency + 2 and the sink is always ready.
//   Invariant   credits + results in flight + results in the FIFO = Depth.
//   Reset       synchronous, active high: all credits back, what is in flight is dropped.
`default_nettype none

module bw_credit_pipe #(
  parameter int Width   = 8,  // bits of a result
  parameter int Latency = 3,  // clocks through the datapath, >= 1
  parameter int Depth   = 5   // results on the way or waiting, >= 2
) (
  input  wire  logic             clk,
  input  wire  logic             rst,
  output logic                   free,
  input  wire  logic             take,
  input  wire  logic [Width-1:0] result,
  output logic                   m_valid,
  input  wire  logic             m_ready,
  output logic [Width-1:0]       m_data
);
  localparam int CreditW = $clog2(Depth + 1);

  logic [CreditW-1:0] credits;
  logic [Latency-1:0] in_flight;  // bit i: a result is i + 1 clocks on its way
  logic               give, unused_ready;

  initial if (Latency < 1) $fatal(1, "bw_credit_pipe: Latency must be at least 1");

  assign free = credits != '0;
  assign give = m_valid && m_ready;

  always_ff @(posedge clk) begin
    in_flight <= Latency'({in_flight, take});
    if (take && !give) credits <= credits - 1'b1;
    if (give && !take) credits <= credits + 1'b1;
    if (rst) begin
      in_flight <= '0;
      credits   <= CreditW'(Depth);
    end
  end

  bw_fifo #(.Width(Width), .Depth(Depth)) u_fifo (
    .clk, .rst, .s_valid(in_flight[Latency-1]), .s_ready(unused_ready), .s_data(result), .m_valid, .m_ready, .m_data
  );
endmodule

`default_nettype wire
