  // The list of beats and ends is any. One word of the RAM of port 0 is watched, a beat of every second vector.
  (* hierconn *) wire [ColW:0]        \gen_port[0].u_ram.f_watch ;
  (* hierconn *) wire [BeatW-1:0]     \gen_port[0].u_ram.f_watched ;
  localparam int FLevelW = $clog2(Depth + 1);
  (* hierconn *) wire [FLevelW-1:0]   \u_flow.credits ;
  (* anyconst *) logic [Words*Ports*ColW-1:0] f_list;
  (* anyconst *) logic [Words-1:0]    f_ends;
  logic               f_past = 1'b0, f_marked, f_unused_marked, f_unused_element;
  logic [1:0]         f_vectors, f_before;   // that have brought the watched beat and have not all been used
  logic [FLevelW-1:0] f_level, f_unused_ahead;
  logic [BeatW-1:0]   f_beat;
  logic [31:0]        f_in, f_word, f_next;  // beats of the vector that enters; the word whose turn it is; the next
  logic               f_shown, f_shown_q, f_starts_q, f_reset_q, f_listed;
  logic [31:0]        f_read;                // the word that was read last
  logic [BeatW-1:0]   f_beat_q;

  assign f_next  = (f_word == Words - 1) ? 32'd0 : f_word + 32'd1;
  // port 0 reads the marked beat
  assign f_shown = k_en && f_marked && f_before == '0
                   && f_list[f_word*Ports*ColW +: ColW] == \gen_port[0].u_ram.f_watch [ColW-1:0];
  f_scoreboard #(.Width(BeatW), .LevelW(2)) f_beats (
    .clk, .rst, .may_mark(wr_buffer == \gen_port[0].u_ram.f_watch [ColW]),
    .push(s_valid && s_ready && f_in == 32'(\gen_port[0].u_ram.f_watch [ColW-1:0])), .push_data(s_data),
    .pop(k_en && f_word == Words - 1), .level(f_vectors), .marked(f_marked), .ahead(f_before), .element(f_beat)
  );
  f_scoreboard #(.Width(1), .LevelW(FLevelW)) f_results (
    .clk, .rst, .may_mark(1'b0), .push(k_en && f_ends[f_word]), .push_data(1'b0), .pop(m_valid && m_ready),
    .level(f_level), .marked(f_unused_marked), .ahead(f_unused_ahead), .element(f_unused_element)
  );

  always @(posedge clk) begin
    f_past <= 1'b1;
    if (s_valid && s_ready) f_in <= (f_in == ColFold - 1) ? '0 : f_in + 32'd1;
    if (k_en) begin
      f_word   <= f_next;
      f_read   <= f_word;
      f_listed <= 1'b1;
    end
    f_reset_q  <= rst;
    f_shown_q  <= f_shown;
    f_beat_q   <= f_beat;
    f_starts_q <= f_word == '0 || f_ends[f_word-1];
    if (rst) begin
      f_in     <= '0;
      f_word   <= '0;
      f_listed <= 1'b0;
    end
    assume (32'(\gen_port[0].u_ram.f_watch [ColW-1:0]) < ColFold);
    assume (f_ends[Words-1] && f_ends[0] == FirstLast);
    if (!f_past) `needs (rst);
    // the ROM: the beats of the word that was read last, and whether the next one ends a fold
    if (f_past && f_listed)
      `needs (k_word == {f_ends[(f_read == Words - 1) ? 32'd0 : f_read + 32'd1], f_list[f_read*Ports*ColW +: Ports*ColW]});
    if (f_past) begin
      // level: the buffers that are full, and the one that is filled; results held for the output have no credit
      assert (f_in < ColFold && 32'(wr_index) == f_in && f_word < Words && 32'(k_addr) == f_word);
      assert (f_vectors == {1'b0, full[0]} + {1'b0, full[1]} + {1'b0, f_in > 32'(\gen_port[0].u_ram.f_watch [ColW-1:0])});
      assert ((wr_buffer == rd_buffer) == (full[0] == full[1]) && (full == '0 || full[rd_buffer]));
      assert (full != 2'b11 || f_in == '0);
      assert (f_word == '0 || full[rd_buffer]);
      assert (32'(f_level) + 32'(\u_flow.credits ) == Depth);
      assert (listed == f_listed && (f_listed ? f_read < Words && f_word == ((f_read == Words - 1) ? '0 : f_read + 1)
                                              : f_word == '0));
      assert (last == f_ends[f_word] && fresh == (f_word == '0 || f_ends[f_word-1]));
      // a vector enters while there is a buffer; a word is used when its vector is whole and its result has a place
      assert (s_ready == (full != 2'b11) && k_en == (full != '0 && (!f_ends[f_word] || 32'(f_level) != Depth)));
      // order: the marked beat waits in the watched word, in the buffer whose turn it is
      if (f_marked) assert (\gen_port[0].u_ram.f_watched == f_beat);
      if (f_marked) assert (\gen_port[0].u_ram.f_watch [ColW] == (rd_buffer ^ f_before[0]));
    end
    if (f_past && !$past(rst)) begin
      // the weights one clock after the list, the beats one clock after the weights
      assert (w_en == $past(k_en) && x_valid == $past(w_en));
      if (w_en) assert (32'(w_addr) == $past(f_word) && fresh_q == $past(f_word == '0 || f_ends[f_word-1]));
      if (f_shown_q) assert (w_en && rd_buffer_q == \gen_port[0].u_ram.f_watch [ColW]);
      if (f_shown_q) assert (\gen_port[0].u_ram.f_watched == f_beat_q);
    end
    if (f_past && !$past(rst) && $past(f_past && !f_reset_q)) begin
      if (x_valid) assert (x_first == $past(f_starts_q));
      if (x_valid && $past(f_shown_q)) assert (x_data[BeatW-1:0] == $past(f_beat_q));
    end
    // stability
    if (f_past && !$past(rst) && $past(m_valid && !m_ready)) assert (m_valid && $stable(m_data));
    cover (f_past && full == 2'b11 && !s_ready && k_en);
    cover (f_past && full != '0 && !k_en && m_ready);
    cover (f_past && f_shown && f_word == Words - 1 && s_valid && s_ready);
  end
