// SPDX-License-Identifier: Apache-2.0
// bw_window_walk: walks the beats of a sliding window in output order and says where the current one lies.
//
// Order, slowest first: output row, output column, block, kernel row, kernel column, beat of the block.
//
// Contract
//   level     the outermost counter that moves with the next `go`: 0 beat, 1 kernel column, 2 kernel row, 3 block,
//             4 output column, 5 output row, 6 the frame ends.
//   padding   the current beat lies outside the image.
//   start     the current beat is the first of a frame.
//   Timing    outputs are functions of registers; one beat per clock.
//   Reset     synchronous, active high: the first beat of a frame.
`default_nettype none

module bw_window_walk #(
  parameter int Height    = 8,
  parameter int Width     = 8,
  parameter int OutHeight = 8,
  parameter int OutWidth  = 8,
  parameter int Blocks    = 1,
  parameter int Inner     = 2,
  parameter int KernelH   = 3,
  parameter int KernelW   = 3,
  parameter int StrideH   = 1,
  parameter int StrideW   = 1,
  parameter int DilationH = 1,
  parameter int DilationW = 1,
  parameter int Top       = 1,
  parameter int Left      = 1
) (
  input  wire  logic       clk,
  input  wire  logic       rst,
  input  wire  logic       go,
  output logic [2:0]       level,
  output logic             padding,
  output logic             start
);
  localparam int BeatW   = (Inner > 1) ? $clog2(Inner) : 1;
  localparam int KwW     = (KernelW > 1) ? $clog2(KernelW) : 1;
  localparam int KhW     = (KernelH > 1) ? $clog2(KernelH) : 1;
  localparam int BlockW  = (Blocks > 1) ? $clog2(Blocks) : 1;
  localparam int ColW    = (OutWidth > 1) ? $clog2(OutWidth) : 1;
  localparam int RowW    = (OutHeight > 1) ? $clog2(OutHeight) : 1;
  localparam int YW      = $clog2(OutHeight * StrideH + KernelH * DilationH + Top + Height) + 1;
  localparam int XW      = $clog2(OutWidth * StrideW + KernelW * DilationW + Left + Width) + 1;

  logic [BeatW-1:0]     beat;
  logic [KwW-1:0]       kw;
  logic [KhW-1:0]       kh;
  logic [BlockW-1:0]    block;
  logic [ColW-1:0]      col;
  logic [RowW-1:0]      row;
  logic signed [YW-1:0] y, y_first, y_corner;  // image row of the beat, of the window's first row, of the next window's
  logic signed [XW-1:0] x, x_first, x_corner;  // likewise for columns

  always_comb begin
    level = 3'd6;
    if (row != RowW'(OutHeight - 1))   level = 3'd5;
    if (col != ColW'(OutWidth - 1))    level = 3'd4;
    if (block != BlockW'(Blocks - 1))  level = 3'd3;
    if (kh != KhW'(KernelH - 1))       level = 3'd2;
    if (kw != KwW'(KernelW - 1))       level = 3'd1;
    if (beat != BeatW'(Inner - 1))     level = 3'd0;
  end

  assign padding = y < 0 || y >= YW'(Height) || x < 0 || x >= XW'(Width);

  always_comb begin
    x_corner = x_first;
    y_corner = y_first;
    if (level == 3'd4) x_corner = x_first + XW'(StrideW);
    if (level >= 3'd5) x_corner = XW'(-Left);
    if (level == 3'd5) y_corner = y_first + YW'(StrideH);
    if (level == 3'd6) y_corner = YW'(-Top);
  end

  always_ff @(posedge clk) begin
    if (go) begin
      start   <= level == 3'd6;
      beat    <= (level >= 3'd1) ? '0 : beat + 1'b1;
      x_first <= x_corner;
      y_first <= y_corner;
    end
    if (go && level >= 3'd1) kw    <= (level >= 3'd2) ? '0 : kw + 1'b1;
    if (go && level >= 3'd2) kh    <= (level >= 3'd3) ? '0 : kh + 1'b1;
    if (go && level >= 3'd3) block <= (level >= 3'd4) ? '0 : block + 1'b1;
    if (go && level >= 3'd4) col   <= (level >= 3'd5) ? '0 : col + 1'b1;
    if (go && level >= 3'd5) row   <= (level == 3'd6) ? '0 : row + 1'b1;
    if (go && level >= 3'd1) x     <= (level >= 3'd2) ? x_corner : x + XW'(DilationW);
    if (go && level >= 3'd2) y     <= (level >= 3'd3) ? y_corner : y + YW'(DilationH);
    if (rst) begin
      start              <= 1'b1;
      beat               <= '0;
      kw                 <= '0;
      kh                 <= '0;
      block              <= '0;
      col                <= '0;
      row                <= '0;
      {x, x_first}       <= {2{XW'(-Left)}};
      {y, y_first}       <= {2{YW'(-Top)}};
    end
  end
endmodule

`default_nettype wire
