// SPDX-License-Identifier: Apache-2.0
// bw_argmax_tree: the largest of N values and its place, two values compared at a time. Free running.
//
// Contract
//   Layout    value i at values[i*W +: W]; values order as unsigned numbers.
//   Ties      the first of equals wins, or with Last the last.
//   Timing    latency $clog2(N), a register after every level (0 for one value); one result per clock.
//   Reset     none.
`default_nettype none

module bw_argmax_tree #(
  parameter int N      = 4,                         // values, >= 1
  parameter int W      = 8,                         // bits of a value
  parameter bit Last   = 1'b0,                      // which of equals wins
  parameter int PlaceW = (N > 1) ? $clog2(N) : 1    // derived: do not override
) (
  input  wire  logic              clk,
  input  wire  logic [N*W-1:0]    values,
  output logic [W-1:0]            largest,
  output logic [PlaceW-1:0]       place
);
  localparam int Levels = $clog2(N);

  logic unused_clk;  // in a tree of one value
  assign unused_clk = clk;

  for (genvar l = 0; l <= Levels; l++) begin : gen_level
    localparam int Count = (N + (1 << l) - 1) >> l;
    logic [Count*W-1:0]      value;
    logic [Count*PlaceW-1:0] at;

    for (genvar i = 0; i < Count; i++) begin : gen_winner
      if (l == 0) begin : gen_value
        assign value[i*W +: W]        = values[i*W +: W];
        assign at[i*PlaceW +: PlaceW] = PlaceW'(i);
      end else if ((2 * i + 1) << l < 2 * N) begin : gen_pair  // level l-1 has a value 2*i+1
        logic [W-1:0]      first, second;
        logic [PlaceW-1:0] first_at, second_at;
        logic              later;  // the second wins

        assign first     = gen_level[l-1].value[2*i*W +: W];
        assign second    = gen_level[l-1].value[(2*i+1)*W +: W];
        assign first_at  = gen_level[l-1].at[2*i*PlaceW +: PlaceW];
        assign second_at = gen_level[l-1].at[(2*i+1)*PlaceW +: PlaceW];
        assign later     = Last ? second >= first : second > first;
        always_ff @(posedge clk) begin
          value[i*W +: W]        <= later ? second : first;
          at[i*PlaceW +: PlaceW] <= later ? second_at : first_at;
        end
      end else begin : gen_alone
        always_ff @(posedge clk) begin
          value[i*W +: W]        <= gen_level[l-1].value[2*i*W +: W];
          at[i*PlaceW +: PlaceW] <= gen_level[l-1].at[2*i*PlaceW +: PlaceW];
        end
      end
    end
  end

  assign largest = gen_level[Levels].value;
  assign place   = gen_level[Levels].at;
endmodule

`default_nettype wire
