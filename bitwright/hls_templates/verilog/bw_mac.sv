// SPDX-License-Identifier: Apache-2.0
// bw_mac: PE dot products of SIMD elements each, accumulated over the beats of a fold. Free running.
//
//   acc[p] = sum over the beats since in_first of  sum_s  w[p][s] * x[s]        (all signed)
//
// Contract
//   Layout    element 0 in the least significant bits; w is row major, [p][s] at ((p*SIMD)+s)*WW.
//   Timing    acc is the sum up to a beat tree_latency(SIMD) + 2 clocks after it; one beat per clock; never stalls.
//   Reset     none: the flow control around it counts what is in flight.
//   Widths    sums are modulo 2**AccW: exact whenever the result of a fold fits, whatever the partial sums do.
`default_nettype none

module bw_mac #(
  parameter int PE   = 2,
  parameter int SIMD = 4,
  parameter int XW   = 4,
  parameter int WW   = 4,
  parameter int AccW = 12
) (
  input  wire  logic                  clk,
  input  wire  logic                  in_valid,
  input  wire  logic                  in_first,  // first beat of a fold: the sum restarts
  input  wire  logic [SIMD*XW-1:0]    in_x,
  input  wire  logic [PE*SIMD*WW-1:0] in_w,
  output logic [PE*AccW-1:0]          acc
);
  localparam int Levels = bw_pkg::tree_latency(SIMD);
  localparam int ProdW  = XW + WW;
  localparam int TreeW  = ProdW + 2 * Levels;

  logic [Levels:0] valid, first;  // bit i: of the beat that is i + 1 clocks in

  always_ff @(posedge clk) begin
    valid <= (Levels + 1)'({valid, in_valid});
    first <= (Levels + 1)'({first, in_first});
  end

  for (genvar p = 0; p < PE; p++) begin : gen_pe
    logic [SIMD*ProdW-1:0]   products;
    logic signed [TreeW-1:0] sum;
    logic [AccW-1:0]         total;
    logic                    unused_high;

    for (genvar s = 0; s < SIMD; s++) begin : gen_simd
      always_ff @(posedge clk) begin
        products[s*ProdW +: ProdW] <= ProdW'($signed(in_x[s*XW +: XW])) * ProdW'($signed(in_w[(p*SIMD+s)*WW +: WW]));
      end
    end

    bw_adder_tree #(.N(SIMD), .W(ProdW)) u_tree (.clk, .operands(products), .sum);

    always_ff @(posedge clk) begin
      if (valid[Levels]) total <= (first[Levels] ? '0 : total) + AccW'(sum);
    end
    assign unused_high = ^sum;  // bits above AccW cancel
    assign acc[p*AccW +: AccW] = total;
  end
endmodule

`default_nettype wire
