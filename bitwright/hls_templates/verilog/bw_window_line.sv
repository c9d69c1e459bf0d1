// SPDX-License-Identifier: Apache-2.0
// bw_window_line: sliding window with a tap for every kernel position: a whole receptive field per clock.
//
// In: (Height, Width, Blocks) beats. Out: (OutHeight, OutWidth, Blocks) beats of (KernelH, KernelW, Lanes) elements;
// those in the padding read as PadValue. The beats are shifted through a line whose taps lie at fixed distances, and
// counters say which taps are in the image. A frame takes Period pixels of the line; behind the last frame it moves on
// alone until all windows are out.
//
// Contract
//   Timing      one beat in and one beat out per clock; m_valid rises 2 clocks after the beat that is needed was taken,
//               and behind the end of a frame one place of the line further for each clock, or for each beat of the
//               next frame once that has begun.
//   Paths       s_ready, m_valid and m_data are functions of registers.
//   Reset       synchronous, active high, control only: the next beat is the first of a frame.
//   Needs       First and Period as the plan counts them; windows whose newest taps come in their order, the last of a
//               frame less than a frame late; taps of different rows at different distances.
`default_nettype none

module bw_window_line #(
  parameter int Lanes     = 2,
  parameter int XW        = 4,
  parameter int Height    = 8,
  parameter int Width     = 8,
  parameter int OutHeight = 8,
  parameter int OutWidth  = 8,
  parameter int Blocks    = 1,
  parameter int KernelH   = 3,
  parameter int KernelW   = 3,
  parameter int StrideH   = 1,
  parameter int StrideW   = 1,
  parameter int DilationH = 1,
  parameter int DilationW = 1,
  parameter int Top       = 1,
  parameter int Left      = 1,
  parameter int First     = 9,   // pixels of the line before the newest one of the first window
  parameter int Period    = 64,  // pixels of the line for each frame, >= Height * Width
  parameter logic [XW-1:0] PadValue = '0,
  parameter int Taps      = KernelH * KernelW  // derived: do not override
) (
  input  wire  logic                     clk,
  input  wire  logic                     rst,
  input  wire  logic                     s_valid,
  output logic                           s_ready,
  input  wire  logic [Lanes*XW-1:0]      s_data,
  output logic                           m_valid,
  input  wire  logic                     m_ready,
  output logic [Taps*Lanes*XW-1:0]       m_data
);
  localparam int InBeats = Height * Width * Blocks;
  localparam int Places  = Period * Blocks;
  localparam int Along   = DilationW * Blocks;                                      // shifts between taps of a row
  localparam int Down    = DilationH * Width * Blocks - (KernelW - 1) * Along;      // to the next row's first tap
  localparam int PlaceW  = $clog2(Places + 1);
  localparam int WaitW   = $clog2((StrideH + 1) * Width * Blocks + Places + 1);

  logic [PlaceW-1:0] place;   // shifts since the frame that enters began
  logic [WaitW-1:0]  wait_q;  // shifts until the next window is in the line
  logic [WaitW-1:0]  gap;     // from the window that is given to the next one of its frame
  logic              behind;  // windows of the frame before the one that enters are left
  logic              ahead;   // all windows of the frame that enters have been given
  logic              due, give, room, move, shift, real_beat, advance, in_last, out_last;
  logic [1:0]        level;   // of the window counters: 0 block, 1 column, 2 row, 3 frame
  logic [Taps*Lanes*XW-1:0] taps, field;

  initial if (Period < Height * Width) $fatal(1, "bw_window_line: Period must hold a frame");
  initial if (KernelH > 1 && Down < 1) $fatal(1, "bw_window_line: the image is narrower than the kernel");

  assign due       = wait_q == '0 && !ahead;
  assign give      = due && room;
  assign move      = room || !due;  // what the taps show is given, or not wanted
  assign s_ready   = move && place < PlaceW'(InBeats);
  assign real_beat = s_valid && s_ready;
  assign advance   = real_beat || (move && place >= PlaceW'(InBeats));  // a place of the frame that enters
  assign shift     = advance || (move && behind && place == '0);        // or one for those left behind
  assign in_last   = place == PlaceW'(Places - 1);
  assign out_last  = level == 2'd3;

  always_comb begin
    gap = WaitW'(1);
    if (level == 2'd1) gap = WaitW'(StrideW * Blocks - (Blocks - 1));
    if (level == 2'd2) gap = WaitW'((StrideH * Width - (OutWidth - 1) * StrideW) * Blocks - (Blocks - 1));
  end

  always_ff @(posedge clk) begin
    if (advance) place <= in_last ? '0 : place + 1'b1;
    if (give && out_last) wait_q <= WaitW'(First * Blocks + 1) - (behind ? WaitW'(place) + WaitW'(advance) : '0);
    else if (give)        wait_q <= gap - WaitW'(shift);
    else if (shift && !ahead) wait_q <= wait_q - 1'b1;
    // the frames that enter and that leave are the same, or one of them is one further
    if (give && out_last && !(advance && in_last)) {ahead, behind} <= {!behind, 1'b0};
    if (advance && in_last && !(give && out_last)) {ahead, behind} <= {1'b0, !ahead};
    if (rst) begin
      place  <= '0;
      wait_q <= WaitW'(First * Blocks + 1);
      ahead  <= 1'b0;
      behind <= 1'b0;
    end
  end

  bw_window_mask #(
    .Lanes(Lanes), .XW(XW), .Height(Height), .Width(Width), .OutHeight(OutHeight), .OutWidth(OutWidth),
    .Blocks(Blocks), .KernelH(KernelH), .KernelW(KernelW), .StrideH(StrideH), .StrideW(StrideW),
    .DilationH(DilationH), .DilationW(DilationW), .Top(Top), .Left(Left), .PadValue(PadValue)
  ) u_mask (.clk, .rst, .give, .line(taps), .level, .field);

  // tap 0 is the newest, at the last kernel position
  for (genvar t = 0; t < Taps; t++) begin : gen_tap
    localparam int K = Taps - 1 - t;  // kernel position
    if (t == 0) begin : gen_newest
      bw_delay #(.Width(Lanes * XW), .Depth(1)) u_tap (
        .clk, .rst, .shift, .word(s_data), .tap(taps[K*Lanes*XW +: Lanes*XW])
      );
    end else begin : gen_older
      bw_delay #(.Width(Lanes * XW), .Depth(t % KernelW == 0 ? Down : Along)) u_tap (
        .clk, .rst, .shift, .word(taps[(K+1)*Lanes*XW +: Lanes*XW]), .tap(taps[K*Lanes*XW +: Lanes*XW])
      );
    end
  end

  bw_elastic_reg #(.Width(Taps * Lanes * XW)) u_reg (
    .clk, .rst, .s_valid(due), .s_ready(room), .s_data(field), .m_valid, .m_ready, .m_data
  );
endmodule

`default_nettype wire
