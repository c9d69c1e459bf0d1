  // Every output has its own count; the first two have a mark, for a generate loop makes all outputs alike.
  (* hierconn *) wire [Width-1:0] \gen_copy[0].u_reg.skid_data ;
  (* hierconn *) wire [Width-1:0] \gen_copy[1].u_reg.skid_data ;
  logic                f_past = 1'b0;
  logic [Copies-1:0]   f_marked;
  logic [Copies*2-1:0] f_level, f_ahead;
  logic [Copies*Width-1:0] f_word;

  for (genvar i = 0; i < Copies; i++) begin : gen_f
    f_scoreboard #(.Width(Width), .LevelW(2)) f_words (
      .clk, .rst, .may_mark(i < 2), .push(s_valid && s_ready), .push_data(s_data), .pop(m_valid[i] && m_ready[i]),
      .level(f_level[i*2 +: 2]), .marked(f_marked[i]), .ahead(f_ahead[i*2 +: 2]), .element(f_word[i*Width +: Width])
    );
    always @(posedge clk) begin
      if (f_past) begin
        // level: what is taken is in every elastic register
        assert (f_level[i*2 +: 2] == {1'b0, m_valid[i]} + {1'b0, !room[i]});
        // order: the marked word is out in its turn
        if (i < 2 && f_marked[i] && f_ahead[i*2 +: 2] == '0)
          assert (m_data[i*Width +: Width] == f_word[i*Width +: Width]);
      end
      if (f_past && !$past(rst)) begin
        // stability
        if ($past(m_valid[i] && !m_ready[i])) assert (m_valid[i] && $stable(m_data[i*Width +: Width]));
        // latency
        if ($past(s_valid && s_ready)) assert (m_valid[i]);
      end
      cover (f_past && m_valid[i] && !m_valid[(i+1)%Copies] && !s_ready);
    end
  end

  always @(posedge clk) begin
    f_past <= 1'b1;
    if (!f_past) `needs (rst);
    if (f_past && f_marked[0] && f_ahead[1:0] == 2'd1) assert (\gen_copy[0].u_reg.skid_data == f_word[0 +: Width]);
    if (f_past && f_marked[1] && f_ahead[3:2] == 2'd1) assert (\gen_copy[1].u_reg.skid_data == f_word[Width +: Width]);
    // throughput: ready sinks never leave the input blocked
    if (f_past && !$past(rst) && $past(&m_ready)) assert (s_ready);
    cover (f_past && $past(s_valid && (&m_valid) && (&m_ready)) && s_valid && (&m_valid) && (&m_ready));
  end
