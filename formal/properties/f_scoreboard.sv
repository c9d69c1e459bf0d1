// SPDX-License-Identifier: Apache-2.0
// f_scoreboard: counts the elements inside a module under proof and marks one of them, whichever the solver picks.
//
// A push brings In elements, a pop takes Out; the first is in the least significant bits.
//
// Contract
//   level     elements pushed and not yet popped; it never wraps (asserted).
//   marked    one of them is marked: element is its value as it was pushed, ahead is the number of elements before it.
//   may_mark  only elements pushed while it is high are marked.
//   Order     a module that pops every marked element in its turn and with its value loses, repeats, changes and
//             reorders none, for any element could have been the marked one.
`default_nettype none

module f_scoreboard #(
  parameter int Width  = 8,  // bits of an element
  parameter int LevelW = 4,
  parameter int In     = 1,
  parameter int Out    = 1
) (
  input  wire  logic                clk,
  input  wire  logic                rst,
  input  wire  logic                may_mark,
  input  wire  logic                push,
  input  wire  logic [In*Width-1:0] push_data,
  input  wire  logic                pop,
  output logic [LevelW-1:0]         level,
  output logic                      marked,
  output logic [LevelW-1:0]         ahead,
  output logic [Width-1:0]          element
);
  (* anyseq *) logic              pick;
  (* anyseq *) logic [LevelW-1:0] part;  // which element of the push
  logic                           past = 1'b0;
  logic [LevelW-1:0]              left;  // elements of before that stay

  assign left = pop ? level - LevelW'(Out) : level;

  always_ff @(posedge clk) begin
    past  <= 1'b1;
    level <= push ? left + LevelW'(In) : left;
    if (marked) begin
      if (pop) marked <= ahead >= LevelW'(Out);
      if (pop) ahead  <= ahead - LevelW'(Out);
    end else if (push && pick && may_mark && part < LevelW'(In)) begin
      marked  <= 1'b1;
      element <= push_data[part*Width +: Width];
      ahead   <= left + part;
    end
    if (rst) begin
      level  <= '0;
      marked <= 1'b0;
    end
    if (past && !rst && pop) assert (level >= LevelW'(Out));
    if (past && !rst && push) assert (left <= LevelW'(2 ** LevelW - 1 - In));
    if (past) assert (!marked || ahead < level);
  end
endmodule

`default_nettype wire
