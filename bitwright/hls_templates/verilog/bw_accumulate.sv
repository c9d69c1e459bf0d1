// SPDX-License-Identifier: Apache-2.0
// bw_accumulate: PE sums of N terms each, accumulated over the beats of a fold. Free running.
//
//   acc[p] = Start + sum over the beats since in_first of  (Each + sum_i  terms[p][i])        (terms signed)
//
// Contract
//   Layout    element 0 in the least significant bits; term [p][i] at ((p*N)+i)*W.
//   Timing    terms come one clock after their in_valid and in_first; acc is the sum up to a beat
//             tree_latency(N) + 2 clocks after its in_valid; one beat per clock; never stalls.
//   Reset     none: the flow control around it counts what is in flight.
//   Widths    sums are modulo 2**AccW: exact whenever the result of a fold fits, whatever the partial sums do.
`default_nettype none

module bw_accumulate #(
  parameter int PE   = 2,
  parameter int N    = 4,   // terms of a beat
  parameter int W    = 8,   // bits of a term
  parameter int AccW = 12,
  parameter logic [AccW-1:0] Start = '0,
  parameter logic [AccW-1:0] Each  = '0
) (
  input  wire  logic              clk,
  input  wire  logic              in_valid,
  input  wire  logic              in_first,  // first beat of a fold: the sum restarts
  input  wire  logic [PE*N*W-1:0] terms,
  output logic [PE*AccW-1:0]      acc
);
  localparam int Levels = bw_pkg::tree_latency(N);
  localparam int TreeW  = W + 2 * Levels;

  logic [Levels:0] valid, first;  // bit i: of the beat that is i + 1 clocks in

  always_ff @(posedge clk) begin
    valid <= (Levels + 1)'({valid, in_valid});
    first <= (Levels + 1)'({first, in_first});
  end

  for (genvar p = 0; p < PE; p++) begin : gen_pe
    logic signed [TreeW-1:0] sum;
    logic [AccW-1:0]         total;
    logic                    unused_high;

    bw_adder_tree #(.N(N), .W(W)) u_tree (.clk, .operands(terms[p*N*W +: N*W]), .sum);

    always_ff @(posedge clk) begin
      if (valid[Levels]) total <= (first[Levels] ? Start : total) + AccW'(sum) + Each;
    end
    assign unused_high = ^sum;  // bits above AccW cancel
    assign acc[p*AccW +: AccW] = total;
  end
endmodule

`default_nettype wire
