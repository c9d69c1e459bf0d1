  // One beat of the vector is watched, the one that the properties of the replay's RAM watch; for RowFold >= 2.
  (* hierconn *) wire [ColW-1:0]  \u_replay.gen_store.u_ram.f_watch ;
  (* hierconn *) wire [BeatW-1:0] \u_replay.gen_store.u_ram.f_watched ;
  localparam int FDepth  = (Latency + 1) / ColFold + 2;
  localparam int FLevelW = $clog2(FDepth + 1);
  (* hierconn *) wire [FLevelW-1:0] \u_flow.credits ;
  logic               f_past = 1'b0, f_unused_marked, f_unused_element;
  logic [FLevelW-1:0] f_level, f_unused_ahead;
  logic [31:0]        f_col, f_row, f_group;  // of the beat whose turn it is
  logic [BeatW-1:0]   f_beat;                 // the watched beat of this vector

  f_scoreboard #(.Width(1), .LevelW(FLevelW)) f_results (
    .clk, .rst, .may_mark(1'b0), .push(w_en && f_col == ColFold - 1), .push_data(1'b0), .pop(m_valid && m_ready),
    .level(f_level), .marked(f_unused_marked), .ahead(f_unused_ahead), .element(f_unused_element)
  );

  always @(posedge clk) begin
    f_past <= 1'b1;
    if (w_en) begin
      f_col <= (f_col == ColFold - 1) ? '0 : f_col + 32'd1;
      if (f_col == ColFold - 1) begin
        f_row <= (f_row == RowFold - 1) ? '0 : f_row + 32'd1;
        if (f_row == RowFold - 1) f_group <= (f_group == Groups - 1) ? '0 : f_group + 32'd1;
      end
      if (f_row == '0 && f_col == 32'(\u_replay.gen_store.u_ram.f_watch )) f_beat <= s_data;
    end
    if (rst) begin
      f_col   <= '0;
      f_row   <= '0;
      f_group <= '0;
    end
    if (!f_past) `needs (rst);
    if (f_past) begin
      // turns: weights in the order of use, beats taken in the first row fold and in no other
      assert (f_col < ColFold && f_row < RowFold && f_group < Groups);
      assert (32'(col) == f_col && 32'(row) == f_row && 32'(w_addr) == (f_group * RowFold + f_row) * ColFold + f_col);
      assert ((s_valid && s_ready) == (w_en && f_row == '0));
      // level: the results on their way or waiting have no credit
      assert (32'(f_level) + 32'(\u_flow.credits ) == FDepth);
      // order: the watched beat is kept until the vector ends
      if (f_row != '0 || f_col > 32'(\u_replay.gen_store.u_ram.f_watch ))
        assert (\u_replay.gen_store.u_ram.f_watched == f_beat);
      // throughput: only a missing beat or a missing credit stops it
      assert (w_en || (f_row == '0 && !s_valid) || (f_col == ColFold - 1 && 32'(f_level) == FDepth));
    end
    if (f_past && !$past(rst)) begin
      // what the arithmetic is given: one clock later, the beat of the stream, then what was kept of it
      assert (x_valid == $past(w_en));
      if (x_valid) assert (x_first == ($past(f_col) == '0));
      if (x_valid && $past(f_row) == '0) assert (x_data == $past(s_data));
      if (x_valid && $past(f_row) != '0 && $past(f_col) == 32'(\u_replay.gen_store.u_ram.f_watch ))
        assert (x_data == $past(f_beat));
    end
    // stability
    if (f_past && !$past(rst) && $past(m_valid && !m_ready)) assert (m_valid && $stable(m_data));
    cover (f_past && !w_en && 32'(f_level) == FDepth && m_ready && f_row != '0);
    cover (f_past && $past(w_en && last && f_row == RowFold - 1) && w_en && (Groups == 1 || f_group != '0));
  end
