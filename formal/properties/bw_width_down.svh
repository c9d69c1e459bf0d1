  // Counted in words of the output. A word counts once it is offered: parts leave before it is taken.
  localparam int FLevelW = $clog2(Ratio + 3);
  (* hierconn *) wire [Width-1:0] \u_reg.skid_data ;
  logic               f_past = 1'b0, f_marked, f_offered;
  logic [FLevelW-1:0] f_level, f_ahead, f_waiting;
  logic [Width-1:0]   f_word;

  f_scoreboard #(.Width(Width), .LevelW(FLevelW), .In(Ratio)) f_words (
    .clk, .rst, .may_mark(1'b1), .push(s_valid && !f_offered), .push_data(s_data), .pop(m_valid && m_ready),
    .level(f_level), .marked(f_marked), .ahead(f_ahead), .element(f_word)
  );
  assign f_waiting = FLevelW'(m_valid) + FLevelW'(!room);  // in the elastic register

  always @(posedge clk) begin
    f_past    <= 1'b1;
    f_offered <= s_valid && !s_ready && !rst;
    if (!f_past) `needs (rst);
    if (f_past && f_offered) `needs (s_valid && $stable(s_data));
    if (f_past) begin
      // level: the elastic register, and the parts still on the input
      assert (32'(count) < Ratio && (f_offered || count == '0));
      assert (f_level == f_waiting + (f_offered ? FLevelW'(Ratio) - FLevelW'(count) : '0));
      // order: the marked word lies where its turn says
      if (f_marked && f_ahead >= f_waiting)
        assert (s_data[(32'(f_ahead) - 32'(f_waiting) + 32'(count))*Width +: Width] == f_word);
      else if (f_marked && f_ahead == '0) assert (m_data == f_word);
      else if (f_marked) assert (\u_reg.skid_data == f_word);
    end
    if (f_past && !$past(rst)) begin
      // stability
      if ($past(m_valid && !m_ready)) assert (m_valid && $stable(m_data));
      // latency and throughput: a part is out after one clock; a ready sink never stops the parts
      if ($past(s_valid)) assert (m_valid);
      if ($past(m_ready)) assert (room);
    end
    cover (f_past && !room && m_ready && f_marked && f_ahead == FLevelW'(Ratio + 1));
    cover (f_past && $past(s_valid && s_ready && m_ready) && s_valid && m_valid && m_ready);
  end
