// SPDX-License-Identifier: Apache-2.0
// bw_window: sliding window over a ring of Depth beats: pixels in, the receptive field of each output pixel out.
//
// In: (Height, Width, Blocks, Inner) beats. Out, slowest first: (OutHeight, OutWidth, Blocks, KernelH, KernelW, Inner)
// beats; those in the padding read as PadValue in every lane. The ring keeps what lies between the upper left pixel of
// the current window and the newest pixel; the next frame enters while this one leaves.
//
// Contract
//   Timing      one beat in and one beat out per clock; m_valid rises 3 clocks after the beat that is needed was taken.
//               The first beat of a frame waits for the frame's first pixel, even if it shows padding.
//   Paths       s_ready and m_valid are functions of registers; the RAM runs freely behind credits.
//   Reset       synchronous, active high, control only: the next beat is the first of a frame.
//   Needs       Depth of at least one whole receptive field, and no window that starts beyond the image's end.
`default_nettype none

module bw_window #(
  parameter int Lanes     = 2,
  parameter int XW        = 4,
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
  parameter int Left      = 1,
  parameter int Depth     = 64,
  parameter logic [XW-1:0] PadValue = '0
) (
  input  wire  logic                clk,
  input  wire  logic                rst,
  input  wire  logic                s_valid,
  output logic                      s_ready,
  input  wire  logic [Lanes*XW-1:0] s_data,
  output logic                      m_valid,
  input  wire  logic                m_ready,
  output logic [Lanes*XW-1:0]       m_data
);
  // Addresses count beats from the first of the frame; in the padding they may lie outside it.
  localparam int Pixel  = Blocks * Inner;
  localparam int Line   = Width * Pixel;
  localparam int First  = -(Top * Line + Left * Pixel);
  localparam int Field  = (KernelH - 1) * DilationH * Line + (KernelW - 1) * DilationW * Pixel;  // corner to corner
  localparam int ToCol  = StrideW * Pixel;
  localparam int ToRow  = StrideH * Line - (OutWidth - 1) * ToCol;
  localparam int ToNext = (Height - (OutHeight - 1) * StrideH) * Line - (OutWidth - 1) * ToCol;
  // how far the address moves at each level of bw_window_walk
  localparam int Step1  = DilationW * Pixel - (Inner - 1);
  localparam int Step2  = DilationH * Line - (KernelW - 1) * DilationW * Pixel - (Inner - 1);
  localparam int Step3  = 1 - Field;
  localparam int Back   = -Field - (Pixel - 1);

  localparam int PtrW   = (Depth > 1) ? $clog2(Depth) : 1;
  localparam int FillW  = $clog2(Depth + 1);
  localparam int AddrW  = $clog2((Height + Top + StrideH + 1) * Line + Left * Pixel + Field + Depth + 1) + 2;

  logic [2:0]              level;
  logic                    padding, padding_q, start, free, present, write, go, drop;
  logic [PtrW-1:0]         wr_ptr, rd_ptr;
  logic [FillW-1:0]        fill;    // beats in the ring
  logic signed [AddrW-1:0] ahead;   // beats written from the current address on: above 0 it is in the ring
  logic signed [AddrW-1:0] spent;   // beats that no later window needs and that are still counted in fill
  logic signed [AddrW-1:0] step, spend;
  logic [PtrW-1:0]         skip;    // step modulo Depth
  logic [Lanes*XW-1:0]     stored;

  initial if (Depth <= Field + Pixel - 1) $fatal(1, "bw_window: Depth does not hold one receptive field");
  initial begin
    if ((OutHeight - 1) * StrideH - Top >= Height || (OutWidth - 1) * StrideW - Left >= Width) begin
      $fatal(1, "bw_window: the last window starts beyond the image");
    end
  end

  // s modulo Depth, 0 .. Depth-1
  function automatic logic [PtrW-1:0] modulo(input int s);
    modulo = PtrW'(((s % Depth) + Depth) % Depth);
  endfunction

  always_comb begin
    step  = AddrW'(1);
    skip  = modulo(1);
    spend = '0;
    case (level)
      3'd0: begin end
      3'd1: begin step = AddrW'(Step1); skip = modulo(Step1); end
      3'd2: begin step = AddrW'(Step2); skip = modulo(Step2); end
      3'd3: begin step = AddrW'(Step3); skip = modulo(Step3); end
      3'd4: begin step = AddrW'(Back + ToCol); skip = modulo(Back + ToCol); spend = AddrW'(ToCol); end
      3'd5: begin step = AddrW'(Back + ToRow); skip = modulo(Back + ToRow); spend = AddrW'(ToRow); end
      default: begin step = AddrW'(Back + ToNext); skip = modulo(Back + ToNext); spend = AddrW'(ToNext); end
    endcase
  end

  assign s_ready = fill != FillW'(Depth);
  assign write   = s_valid && s_ready;
  assign present = start ? ahead > AddrW'(-First) : (padding || ahead > 0);
  assign go      = free && present;
  assign drop    = spent > 0 && fill != '0;

  always_ff @(posedge clk) begin
    if (write) wr_ptr <= (wr_ptr == PtrW'(Depth - 1)) ? '0 : wr_ptr + 1'b1;
    if (go) begin
      if ({1'b0, rd_ptr} + {1'b0, skip} >= (PtrW + 1)'(Depth)) rd_ptr <= rd_ptr + skip - PtrW'(Depth);
      else rd_ptr <= rd_ptr + skip;
    end
    fill      <= fill + FillW'(write) - FillW'(drop);
    ahead     <= ahead + AddrW'({1'b0, write}) - (go ? step : '0);
    spent     <= spent - AddrW'({1'b0, drop}) + (go ? spend : '0);
    padding_q <= padding;
    if (rst) begin
      wr_ptr <= '0;
      rd_ptr <= modulo(First);
      fill   <= '0;
      ahead  <= AddrW'(-First);
      spent  <= AddrW'(First);
    end
  end

  bw_window_walk #(
    .Height(Height), .Width(Width), .OutHeight(OutHeight), .OutWidth(OutWidth), .Blocks(Blocks), .Inner(Inner),
    .KernelH(KernelH), .KernelW(KernelW), .StrideH(StrideH), .StrideW(StrideW), .DilationH(DilationH),
    .DilationW(DilationW), .Top(Top), .Left(Left)
  ) u_walk (.clk, .rst, .go, .level, .padding, .start);
  bw_ram #(.Width(Lanes * XW), .Depth(Depth)) u_ring (
    .clk, .wr_en(write), .wr_addr(wr_ptr), .wr_data(s_data), .rd_en(go && !padding), .rd_addr(rd_ptr), .rd_data(stored)
  );
  bw_credit_pipe #(.Width(Lanes * XW), .Latency(1), .Depth(3)) u_flow (
    .clk, .rst, .free, .take(go), .result(padding_q ? {Lanes{PadValue}} : stored), .m_valid, .m_ready, .m_data
  );
endmodule

`default_nettype wire
