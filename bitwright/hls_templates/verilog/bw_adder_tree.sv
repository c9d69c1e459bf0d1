// SPDX-License-Identifier: Apache-2.0
// bw_adder_tree: exact sum of N signed operands, a register after every four-to-one level. Free running.
//
// Contract
//   Layout    operand i at operands[i*W +: W].
//   Widths    two bits more per level, so no sum can wrap.
//   Timing    latency tree_latency(N), the number of levels (0 for one operand); one sum per clock.
//   Reset     none.
`default_nettype none

module bw_adder_tree #(
  parameter int N    = 16,                              // operands, >= 1
  parameter int W    = 8,                               // bits of an operand
  parameter int OutW = W + 2 * bw_pkg::tree_latency(N)  // derived: do not override
) (
  input  wire  logic             clk,
  input  wire  logic [N*W-1:0]   operands,
  output logic signed [OutW-1:0] sum
);
  localparam int Levels = bw_pkg::tree_latency(N);

  logic unused_clk;  // in a tree of one operand
  assign unused_clk = clk;

  for (genvar l = 0; l <= Levels; l++) begin : gen_level
    localparam int Count = (N + (1 << 2 * l) - 1) >> 2 * l;
    localparam int PartW = W + 2 * l;
    logic [Count*PartW-1:0] parts;

    if (l == 0) begin : gen_operands
      assign parts = operands;
    end else begin : gen_sums
      localparam int FromW = PartW - 2;
      logic [4*Count*FromW-1:0] from;  // the level before, zeros up to a multiple of four
      assign from = (4 * Count * FromW)'(gen_level[l-1].parts);

      for (genvar i = 0; i < Count; i++) begin : gen_part
        always_ff @(posedge clk) begin
          parts[i*PartW +: PartW] <= PartW'($signed(from[4*i*FromW +: FromW]))
                                     + PartW'($signed(from[(4*i+1)*FromW +: FromW]))
                                     + PartW'($signed(from[(4*i+2)*FromW +: FromW]))
                                     + PartW'($signed(from[(4*i+3)*FromW +: FromW]));
        end
      end
    end
  end

  assign sum = gen_level[Levels].parts;
endmodule

`default_nettype wire
