  (* hierconn *) wire [Width-1:0] \u_reg.skid_data ;
  logic             f_past = 1'b0, f_marked;
  logic [1:0]       f_level, f_ahead;
  logic [Width-1:0] f_word, f_taken;
  logic [31:0]      f_step;    // words taken since the first of operand 0
  logic [31:0]      f_before;  // the words of the operands before the one whose turn it is
  logic [31:0]      f_round;   // the words of all operands

  always_comb begin
    f_before = '0;
    f_round  = '0;
    f_taken  = '0;
    for (int k = 0; k < Operands; k++) begin
      if (k < 32'(turn)) f_before = f_before + Parts[k*32 +: 32];
      f_round = f_round + Parts[k*32 +: 32];
      if (s_ready[k]) f_taken = s_data[k*Width +: Width];
    end
  end
  f_scoreboard #(.Width(Width), .LevelW(2)) f_words (
    .clk, .rst, .may_mark(1'b1), .push(|(s_valid & s_ready)), .push_data(f_taken), .pop(m_valid && m_ready),
    .level(f_level), .marked(f_marked), .ahead(f_ahead), .element(f_word)
  );

  always @(posedge clk) begin
    f_past <= 1'b1;
    if (|(s_valid & s_ready)) f_step <= (f_step + 32'd1 == f_round) ? '0 : f_step + 32'd1;
    if (rst) f_step <= '0;
    if (!f_past) `needs (rst);
    if (f_past) begin
      // turns: one operand at most is taken from, and it is the one that the step says
      assert ((s_ready & (s_ready - 1'b1)) == '0);
      assert (32'(turn) < Operands && count < Parts[turn*32 +: 32] && f_step == f_before + count);
      for (int k = 0; k < Operands; k++) begin
        assert (!s_ready[k] || k == 32'(turn));
      end
      // level: the words held are those in the elastic register
      assert (f_level == {1'b0, m_valid} + {1'b0, !room});
      // order: the marked word lies where its turn says
      if (f_marked) assert ((f_ahead == '0) ? m_data == f_word : \u_reg.skid_data == f_word);
    end
    if (f_past && !$past(rst)) begin
      // stability
      if ($past(m_valid && !m_ready)) assert (m_valid && $stable(m_data));
      // latency and throughput: a ready sink lets the operand whose turn it is in
      if ($past(|(s_valid & s_ready))) assert (m_valid);
      if ($past(m_ready)) assert (s_ready[turn]);
    end
    cover (f_past && $past(turn != '0 && last && s_valid[turn] && room) && f_step == '0 && !room);
    cover (f_past && f_step == f_round - 32'd1 && f_marked && f_ahead == 2'd1);
  end
