  logic              f_past = 1'b0, f_marked;
  logic [LevelW-1:0] f_level, f_ahead;
  logic [TapW-1:0]   f_slot;  // of the marked word
  logic [Width-1:0]  f_word, f_found;

  f_scoreboard #(.Width(Width), .LevelW(LevelW)) f_words (
    .clk, .rst, .may_mark(1'b1), .push, .push_data(s_data), .pop,
    .level(f_level), .marked(f_marked), .ahead(f_ahead), .element(f_word)
  );
  assign f_slot = TapW'(level - f_ahead - 1'b1);
  for (genvar b = 0; b < Width; b++) begin : gen_found
    assign f_found[b] = gen_bit[b].slots[f_slot];
  end

  always @(posedge clk) begin
    f_past <= 1'b1;
    if (!f_past) `needs (rst);
    if (f_past) begin
      // level: the counter counts, valid and ready are what it says
      assert (f_level == level && 32'(level) <= Depth);
      assert (m_valid == (f_level != '0) && s_ready == (32'(f_level) != Depth));
      // order: the marked word lies where its turn says
      if (f_marked) assert (f_found == f_word);
      if (f_marked && f_ahead == '0) assert (m_data == f_word);
    end
    // stability
    if (f_past && !$past(rst) && $past(m_valid && !m_ready)) assert (m_valid && $stable(m_data));
    cover (f_past && !s_ready && m_ready && f_marked && 32'(f_ahead) == Depth - 1);
    cover (f_past && $past(push && pop) && push && pop && f_marked && f_ahead == '0);
  end
