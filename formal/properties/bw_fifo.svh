  // One slot of the memory is watched; the words that pass through it may be marked.
  (* anyconst *) logic [PtrW-1:0] f_watch;
  logic              f_past = 1'b0, f_marked;
  logic [LevelW-1:0] f_level, f_ahead;
  logic [Width-1:0]  f_word, f_watched;
  assign f_watched = mem[f_watch];

  f_scoreboard #(.Width(Width), .LevelW(LevelW)) f_words (
    .clk, .rst, .may_mark(wr_ptr == f_watch), .push, .push_data(s_data), .pop,
    .level(f_level), .marked(f_marked), .ahead(f_ahead), .element(f_word)
  );

  // the slot `steps` after the one that is read next
  function automatic logic [PtrW-1:0] f_slot(input logic [LevelW-1:0] steps);
    f_slot = PtrW'((32'(rd_ptr) + 32'(steps)) % Depth);
  endfunction

  always @(posedge clk) begin
    f_past <= 1'b1;
    if (!f_past) `needs (rst);
    if (f_past) begin
      // level: the counter counts, the pointers agree with it, valid and ready are what it says
      assert (f_level == level && 32'(level) <= Depth);
      assert (32'(rd_ptr) < Depth && wr_ptr == f_slot(level));
      assert (m_valid == (f_level != '0) && s_ready == (32'(f_level) != Depth));
      // order: the marked word lies in the watched slot, where its turn says
      if (f_marked) assert (f_slot(f_ahead) == f_watch && f_watched == f_word);
      if (f_marked && f_ahead == '0) assert (m_data == f_word);
    end
    // stability
    if (f_past && !$past(rst) && $past(m_valid && !m_ready)) assert (m_valid && $stable(m_data));
    cover (f_past && !s_ready && m_ready && f_marked && 32'(f_ahead) == Depth - 1);
    cover (f_past && $past(push && pop) && wr_ptr == '0 && push && pop);
  end
