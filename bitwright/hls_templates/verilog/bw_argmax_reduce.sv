// SPDX-License-Identifier: Apache-2.0
// bw_argmax_reduce: the place of the largest element of each Fold consecutive beats; lane i of beat b is b*Lanes + i.
//
// A tree finds the winner of a beat, which then meets the best of the beats before it.
//
// Contract
//   Code      XCode orders the elements; a bipolar bit orders like an unsigned one.
//   Ties      the first of equals wins, or with Last the last.
//   Timing    one beat per clock, no bubble between folds; m_valid rises $clog2(Lanes) + 2 clocks after the last beat.
//   Paths     s_ready and m_valid are functions of registers; the datapath runs freely behind credits.
//   Needs     YW bits hold every place: Fold*Lanes <= 2**YW.
//   Reset     synchronous, active high, control only: the next beat is the first of a fold.
`default_nettype none

module bw_argmax_reduce #(
  parameter int Fold  = 4,
  parameter int Lanes = 2,
  parameter int XW    = 4,
  parameter int XCode = 0,    // bw_pkg
  parameter int YW    = 3,    // bits of a place
  parameter bit Last  = 1'b0  // which of equals wins
) (
  input  wire  logic                clk,
  input  wire  logic                rst,
  input  wire  logic                s_valid,
  output logic                      s_ready,
  input  wire  logic [Lanes*XW-1:0] s_data,
  output logic                      m_valid,
  input  wire  logic                m_ready,
  output logic [YW-1:0]             m_data
);
  localparam int Levels = $clog2(Lanes);
  localparam int LaneW  = (Lanes > 1) ? Levels : 1;
  localparam int CountW = (Fold > 1) ? $clog2(Fold) : 1;
  localparam logic [XW-1:0] Flip = (XCode == bw_pkg::Signed) ? XW'(1) << (XW - 1) : '0;  // orders as unsigned

  logic [CountW-1:0]   beat;  // within the fold
  logic                last, free, go;
  logic [Lanes*XW-1:0] ordered;
  logic                found, ends;  // a winner leaves the tree; its beat is the last of its fold
  logic [XW-1:0]       winner, best;
  logic [LaneW-1:0]    lane;
  logic [YW-1:0]       base, place;  // of lane 0 of the beat that leaves the tree; of best
  logic                first, better;

  initial if (Fold * Lanes > 1 << YW) $fatal(1, "bw_argmax_reduce: YW bits must hold every place");

  assign last    = beat == CountW'(Fold - 1);
  assign s_ready = free || !last;
  assign go      = s_valid && s_ready;
  assign ordered = s_data ^ {Lanes{Flip}};

  always_ff @(posedge clk) begin
    if (go) beat <= last ? '0 : beat + 1'b1;
    if (rst) beat <= '0;
  end

  bw_argmax_tree #(.N(Lanes), .W(XW), .Last(Last)) u_tree (.clk, .values(ordered), .largest(winner), .place(lane));

  if (Levels == 0) begin : gen_direct
    assign {found, ends} = {go, last};
  end else begin : gen_delayed
    logic [Levels-1:0] going, lasts;  // bit i: of the beat that is i + 1 clocks in
    always_ff @(posedge clk) begin
      going <= Levels'({going, go});
      lasts <= Levels'({lasts, last});
      if (rst) going <= '0;
    end
    assign {found, ends} = {going[Levels-1], lasts[Levels-1]};
  end

  assign better = first || (Last ? winner >= best : winner > best);

  always_ff @(posedge clk) begin
    if (found && better) begin
      best  <= winner;
      place <= base + YW'(lane);
    end
    if (found) begin
      base  <= ends ? '0 : base + YW'(Lanes);
      first <= ends;
    end
    if (rst) begin
      base  <= '0;
      first <= 1'b1;
    end
  end

  bw_credit_pipe #(.Width(YW), .Latency(Levels + 1), .Depth((Levels + 2) / Fold + 2)) u_flow (
    .clk, .rst, .free, .take(go && last), .result(place), .m_valid, .m_ready, .m_data
  );
endmodule

`default_nettype wire
