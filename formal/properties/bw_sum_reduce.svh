  (* hierconn *) wire [Lanes*YW-1:0] \u_reg.skid_data ;
  logic                f_past = 1'b0, f_marked;
  logic [1:0]          f_level, f_ahead;
  logic [Lanes*YW-1:0] f_word, f_so_far, f_sum;  // f_so_far: of the beats of this fold
  logic [31:0]         f_beat;

  for (genvar i = 0; i < Lanes; i++) begin : gen_f
    logic [YW-1:0] value;  // by the code of the element
    assign value = (XCode == bw_pkg::Signed)  ? YW'($signed(s_data[i*XW +: XW]))
                 : (XCode == bw_pkg::Bipolar) ? (s_data[i*XW] ? YW'(1) : '1) : YW'(s_data[i*XW +: XW]);
    assign f_sum[i*YW +: YW] = ((f_beat == '0) ? '0 : f_so_far[i*YW +: YW]) + value;
  end
  f_scoreboard #(.Width(Lanes * YW), .LevelW(2)) f_words (
    .clk, .rst, .may_mark(1'b1), .push(s_valid && s_ready && f_beat == Fold - 1), .push_data(f_sum),
    .pop(m_valid && m_ready), .level(f_level), .marked(f_marked), .ahead(f_ahead), .element(f_word)
  );

  always @(posedge clk) begin
    f_past <= 1'b1;
    if (s_valid && s_ready) begin
      f_so_far <= f_sum;
      f_beat <= (f_beat == Fold - 1) ? '0 : f_beat + 32'd1;
    end
    if (rst) f_beat <= '0;
    if (!f_past) `needs (rst);
    if (f_past) begin
      // level: whole folds in the elastic register; the beats of the next are counted
      assert (f_level == {1'b0, m_valid} + {1'b0, !room});
      assert (f_beat < Fold && 32'(beat) == f_beat);
      assert (s_ready || (f_level == 2'd2 && f_beat == Fold - 1));
      // order: the marked sum lies where its turn says
      assert (f_beat == '0 || so_far == f_so_far);
      if (f_marked) assert ((f_ahead == '0) ? m_data == f_word : \u_reg.skid_data == f_word);
    end
    if (f_past && !$past(rst)) begin
      // stability
      if ($past(m_valid && !m_ready)) assert (m_valid && $stable(m_data));
      // latency and throughput: a sum is out after one clock; a ready sink never leaves the input blocked
      if ($past(s_valid && s_ready && last)) assert (m_valid);
      if ($past(m_ready)) assert (s_ready);
    end
    cover (f_past && !s_ready && m_ready && f_marked && f_ahead == 2'd1);
    cover (f_past && $past(s_valid && s_ready && last && m_valid && m_ready) && s_valid && s_ready);
  end
