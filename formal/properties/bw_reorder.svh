  // The list of addresses is any. One word of the RAM is watched, and with it one beat of every second frame.
  (* hierconn *) wire [InW:0]         \u_ram.f_watch ;
  (* hierconn *) wire [Lanes*XW-1:0]  \u_ram.f_watched ;
  (* hierconn *) wire [1:0]           \u_flow.u_fifo.rd_ptr , \u_flow.u_fifo.f_watch ;
  (* hierconn *) wire [2:0]           \u_flow.credits , \u_flow.u_fifo.level ;
  (* hierconn *) wire [Lanes*XW-1:0]  \u_flow.u_fifo.f_watched ;
  (* anyconst *) logic [OutBeats*(InW+1)-1:0] f_list;
  logic                f_past = 1'b0, f_in_marked, f_out_marked, f_shown;
  logic [1:0]          f_frames, f_before;  // that have brought the watched beat and have not all left
  logic [2:0]          f_level, f_ahead;
  logic [Lanes*XW-1:0] f_beat, f_word;
  logic [31:0]         f_in, f_out;         // beats of the frame that enters, and of the one that leaves
  logic [InW:0]        f_entry;

  assign f_entry = f_list[f_out*(InW+1) +: InW+1];
  // the output beat is the marked input beat
  assign f_shown = f_in_marked && f_before == '0 && f_entry == {1'b0, \u_ram.f_watch [InW-1:0]};
  f_scoreboard #(.Width(Lanes * XW), .LevelW(2)) f_beats (
    .clk, .rst, .may_mark(wr_buffer == \u_ram.f_watch [InW]),
    .push(s_valid && s_ready && f_in == 32'(\u_ram.f_watch [InW-1:0])), .push_data(s_data),
    .pop(k_en && f_out == OutBeats - 1), .level(f_frames), .marked(f_in_marked), .ahead(f_before), .element(f_beat)
  );
  f_scoreboard #(.Width(Lanes * XW), .LevelW(3)) f_words (
    .clk, .rst, .push(k_en), .push_data(f_entry[InW] ? {Lanes{Fill}} : f_beat), .pop(m_valid && m_ready),
    .may_mark((f_entry[InW] || f_shown) && \u_flow.u_fifo.rd_ptr + f_level[1:0] == \u_flow.u_fifo.f_watch ),
    .level(f_level), .marked(f_out_marked), .ahead(f_ahead), .element(f_word)
  );

  always @(posedge clk) begin
    f_past <= 1'b1;
    if (s_valid && s_ready) f_in <= (f_in == InBeats - 1) ? '0 : f_in + 32'd1;
    if (k_en) f_out <= (f_out == OutBeats - 1) ? '0 : f_out + 32'd1;
    if (rst) begin
      f_in  <= '0;
      f_out <= '0;
    end
    assume (32'(\u_ram.f_watch [InW-1:0]) < InBeats);
    if (!f_past) `needs (rst);
    if (f_past && $past(k_en)) `needs (k_word == $past(f_entry));
    if (f_past) begin
      // level: the buffers that are full, and the one that is filled; beats held for the output have no credit
      assert (f_in < InBeats && 32'(wr_index) == f_in && f_out < OutBeats && 32'(k_addr) == f_out);
      assert (f_frames == {1'b0, full[0]} + {1'b0, full[1]} + {1'b0, f_in > 32'(\u_ram.f_watch [InW-1:0])});
      assert ((wr_buffer == rd_buffer) == (full[0] == full[1]) && (full == '0 || full[rd_buffer]));
      assert (full != 2'b11 || f_in == '0);
      assert (f_out == '0 || full[rd_buffer]);
      assert (f_level + \u_flow.credits == 3'd4);
      // a frame enters while there is a buffer, and leaves when it is whole
      assert (s_ready == (full != 2'b11) && k_en == (free && full != '0));
      // order: the marked beat waits in the watched word, in the buffer whose turn it is
      if (f_in_marked) assert (\u_ram.f_watched == f_beat && \u_ram.f_watch [InW] == (rd_buffer ^ f_before[0]));
      // the marked output beat goes to the watched place of the FIFO and leaves in its turn
      if (f_out_marked) begin
        assert (\u_flow.u_fifo.rd_ptr + f_ahead[1:0] == \u_flow.u_fifo.f_watch );
        if (f_ahead < \u_flow.u_fifo.level ) assert (\u_flow.u_fifo.f_watched == f_word);
        if (m_valid && f_ahead == '0) assert (m_data == f_word);
      end
    end
    // stability
    if (f_past && !$past(rst) && $past(m_valid && !m_ready)) assert (m_valid && $stable(m_data));
    cover (f_past && full == 2'b11 && !s_ready && k_en);
    cover (f_past && f_shown && k_en && f_out == OutBeats - 1 && s_valid && s_ready);
    cover (f_past && f_out_marked && f_word != '0 && m_valid && m_ready && f_ahead == '0);
  end
