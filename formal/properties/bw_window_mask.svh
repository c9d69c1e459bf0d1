  logic [7:0] f_block, f_col, f_row;
  logic       f_past = 1'b0;
  assign f_block = 8'(block);
  assign f_col   = 8'(col);
  assign f_row   = 8'(row);
  always @(posedge clk) begin
    f_past <= 1'b1;
    if (f_past) begin
      assert (32'(x) == 32'(col) * StrideW - Left);
      assert (32'(y) == 32'(row) * StrideH - Top);
    end
  end
