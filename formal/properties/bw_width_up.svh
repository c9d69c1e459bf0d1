  // Counted in words of the input.
  localparam int FLevelW = $clog2(3 * Ratio);
  (* hierconn *) wire [Ratio*Width-1:0] \u_reg.skid_data ;
  logic               f_past = 1'b0, f_marked;
  logic [FLevelW-1:0] f_level, f_ahead, f_waiting;
  logic [Width-1:0]   f_word;

  f_scoreboard #(.Width(Width), .LevelW(FLevelW), .Out(Ratio)) f_words (
    .clk, .rst, .may_mark(1'b1), .push(s_valid && s_ready), .push_data(s_data), .pop(m_valid && m_ready),
    .level(f_level), .marked(f_marked), .ahead(f_ahead), .element(f_word)
  );
  assign f_waiting = (m_valid ? FLevelW'(Ratio) : '0) + (room ? '0 : FLevelW'(Ratio));  // in whole words

  always @(posedge clk) begin
    f_past <= 1'b1;
    if (!f_past) `needs (rst);
    if (f_past) begin
      // level: whole words in the elastic register, and those gathered for the next
      assert (32'(count) < Ratio && f_level == f_waiting + FLevelW'(count));
      assert (s_ready || f_level == FLevelW'(3 * Ratio - 1));
      // order: the marked word lies where its turn says
      if (f_marked && f_ahead >= f_waiting)
        assert (gathered[(32'(f_ahead) - 32'(f_waiting) + Ratio - 1 - 32'(count))*Width +: Width] == f_word);
      else if (f_marked && 32'(f_ahead) >= Ratio)
        assert (\u_reg.skid_data [(32'(f_ahead)-Ratio)*Width +: Width] == f_word);
      else if (f_marked) assert (m_data[f_ahead*Width +: Width] == f_word);
    end
    if (f_past && !$past(rst)) begin
      // stability
      if ($past(m_valid && !m_ready)) assert (m_valid && $stable(m_data));
      // latency and throughput: a whole word is out after one clock; a ready sink never leaves the input blocked
      if ($past(s_valid && s_ready && last)) assert (m_valid);
      if ($past(m_ready)) assert (s_ready);
    end
    cover (f_past && !s_ready && m_ready && f_marked && f_ahead == FLevelW'(3 * Ratio - 2));
    cover (f_past && $past(s_valid && s_ready && last && m_valid && m_ready) && s_valid && s_ready);
  end
