  localparam int FTotal = OutHeight * OutWidth * Blocks * KernelH * KernelW * Inner;
  logic        f_past = 1'b0;
  logic [31:0] f_step;  // beats of this frame so far
  localparam int FW = $clog2((Height + Top + KernelH * DilationH + 2) * Width * Blocks * Inner) + 3;
  logic signed [FW-1:0] f_address, f_corner;  // of the beat, and of the window's first pixel, in beats of the frame

  logic signed [31:0]   f_first_pixel, f_pixel;
  assign f_first_pixel = y_first * Width + x_first;
  assign f_pixel       = y * Width + x;
  assign f_corner      = FW'(f_first_pixel * (Blocks * Inner));
  assign f_address     = FW'((f_pixel * Blocks + $signed({1'b0, block})) * Inner + $signed({1'b0, beat}));

  always @(posedge clk) begin
    f_past <= 1'b1;
    if (go) f_step <= (f_step + 32'd1 == FTotal) ? '0 : f_step + 32'd1;
    if (rst) f_step <= '0;
    if (!f_past) `needs (rst);
    if (f_past) begin
      // order: the counters are the digits of the step
      assert (32'(beat) < Inner && 32'(kw) < KernelW && 32'(kh) < KernelH && 32'(block) < Blocks);
      assert (32'(col) < OutWidth && 32'(row) < OutHeight);
      assert (f_step == ((((32'(row) * OutWidth + 32'(col)) * Blocks + 32'(block)) * KernelH + 32'(kh)) * KernelW
                         + 32'(kw)) * Inner + 32'(beat));
      assert (start == (f_step == '0) && (level == 3'd6) == (f_step + 32'd1 == FTotal));
      // where the beat lies
      assert (32'(x_first) == 32'(col) * StrideW - Left && 32'(x) == 32'(x_first) + 32'(kw) * DilationW);
      assert (32'(y_first) == 32'(row) * StrideH - Top && 32'(y) == 32'(y_first) + 32'(kh) * DilationH);
      assert (padding == !(32'(x) >= 0 && 32'(x) < Width && 32'(y) >= 0 && 32'(y) < Height));
    end
    cover (f_past && go && level == 3'd6);
    cover (f_past && padding && y < 0 && !start && go);
  end
