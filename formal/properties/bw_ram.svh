  // One word of the memory is watched.
  (* anyconst *) logic [AddrW-1:0] f_watch;
  logic             f_past = 1'b0, f_written = 1'b0;
  logic [Width-1:0] f_word, f_watched;
  assign f_watched = mem[f_watch];

  always @(posedge clk) begin
    f_past <= 1'b1;
    assume (32'(f_watch) < Depth);
    if (f_past) `needs (!wr_en || 32'(wr_addr) < Depth);
    if (wr_en && wr_addr == f_watch) begin
      f_written <= 1'b1;
      f_word    <= wr_data;
    end
    if (f_written) assert (f_watched == f_word);
    if (f_past) begin
      // a read gives what was written last, before this clock; the output holds until the next read
      if ($past(rd_en && rd_addr == f_watch && f_written)) assert (rd_data == $past(f_word));
      if ($past(!rd_en)) assert ($stable(rd_data));
    end
    cover (f_past && $past(rd_en && wr_en && rd_addr == wr_addr && f_written && wr_addr == f_watch));
  end
