// SPDX-License-Identifier: Apache-2.0
// bw_window_mask: counts the windows of bw_window_line and puts the padding where their taps are outside the image.
//
// Contract
//   line      (KernelH, KernelW, Lanes) elements of the current window; field is the same with PadValue in the padding.
//   level     the outermost counter that moves with the next `give`: 0 block, 1 column, 2 row, 3 the frame ends.
//   Timing    level is a function of registers, field of registers and line; one window per clock.
//   Reset     synchronous, active high: the first window of a frame.
`default_nettype none

module bw_window_mask #(
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
  parameter logic [XW-1:0] PadValue = '0,
  parameter int BeatW     = Lanes * XW,                 // derived: do not override
  parameter int FieldW    = KernelH * KernelW * BeatW   // derived: do not override
) (
  input  wire  logic              clk,
  input  wire  logic              rst,
  input  wire  logic              give,
  input  wire  logic [FieldW-1:0] line,
  output logic [1:0]              level,
  output logic [FieldW-1:0]       field
);
  localparam int BlockW = (Blocks > 1) ? $clog2(Blocks) : 1;
  localparam int ColW   = (OutWidth > 1) ? $clog2(OutWidth) : 1;
  localparam int RowW   = (OutHeight > 1) ? $clog2(OutHeight) : 1;
  localparam int YW     = $clog2(OutHeight * StrideH + KernelH * DilationH + Top + Height) + 1;
  localparam int ColsW  = $clog2(OutWidth * StrideW + KernelW * DilationW + Left + Width) + 1;

  logic [BlockW-1:0]       block;
  logic [ColW-1:0]         col;
  logic [RowW-1:0]         row;
  logic signed [YW-1:0]    y;  // image row of the window's first row
  logic signed [ColsW-1:0] x;  // image column of its first column
  logic [KernelH-1:0]      in_rows;
  logic [KernelW-1:0]      in_cols;

  always_comb begin
    level = 2'd3;
    if (row != RowW'(OutHeight - 1))  level = 2'd2;
    if (col != ColW'(OutWidth - 1))   level = 2'd1;
    if (block != BlockW'(Blocks - 1)) level = 2'd0;
  end

  always_ff @(posedge clk) begin
    if (give) block <= (level == 2'd0) ? block + 1'b1 : '0;
    if (give && level >= 2'd1) begin
      col <= (level == 2'd1) ? col + 1'b1 : '0;
      x   <= (level == 2'd1) ? x + ColsW'(StrideW) : ColsW'(-Left);
    end
    if (give && level >= 2'd2) begin
      row <= (level == 2'd2) ? row + 1'b1 : '0;
      y   <= (level == 2'd2) ? y + YW'(StrideH) : YW'(-Top);
    end
    if (rst) begin
      block <= '0;
      col   <= '0;
      row   <= '0;
      x     <= ColsW'(-Left);
      y     <= YW'(-Top);
    end
  end

  for (genvar i = 0; i < KernelH; i++) begin : gen_row
    assign in_rows[i] = y >= YW'(-i * DilationH) && y < YW'(Height - i * DilationH);
    for (genvar j = 0; j < KernelW; j++) begin : gen_position
      localparam int At = (i * KernelW + j) * BeatW;
      assign field[At +: BeatW] = (in_rows[i] && in_cols[j]) ? line[At +: BeatW] : {Lanes{PadValue}};
    end
  end
  for (genvar j = 0; j < KernelW; j++) begin : gen_col
    assign in_cols[j] = x >= ColsW'(-j * DilationW) && x < ColsW'(Width - j * DilationW);
  end
endmodule

`default_nettype wire
