  logic             f_past = 1'b0, f_marked;
  logic [1:0]       f_level, f_ahead;
  logic [Width-1:0] f_word;

  f_scoreboard #(.Width(Width), .LevelW(2)) f_words (
    .clk, .rst, .may_mark(1'b1), .push(s_valid && s_ready), .push_data(s_data), .pop(m_valid && m_ready),
    .level(f_level), .marked(f_marked), .ahead(f_ahead), .element(f_word)
  );

  always @(posedge clk) begin
    f_past <= 1'b1;
    if (!f_past) `needs (rst);
    if (f_past) begin
      // level: the words held are those in the two entries, which are filled front first
      assert (f_level == {1'b0, m_valid} + {1'b0, skid_valid});
      assert (m_valid || !skid_valid);
      // order: the marked word lies where its turn says
      if (f_marked) assert ((f_ahead == '0) ? m_data == f_word : skid_data == f_word);
    end
    if (f_past && !$past(rst)) begin
      // stability
      if ($past(m_valid && !m_ready)) assert (m_valid && $stable(m_data));
      // latency and throughput: a word is out after one clock; a ready sink never leaves the input blocked
      if ($past(s_valid && s_ready)) assert (m_valid);
      if ($past(m_ready)) assert (s_ready);
    end
    cover (f_past && !s_ready && m_ready && f_marked && f_ahead == 2'd1);
    cover (f_past && $past(s_valid && m_valid && m_ready) && s_valid && m_valid && m_ready);
  end
