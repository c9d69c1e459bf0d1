  // One slot of the RAM is watched; the words that pass through it may be marked.
  (* hierconn *) wire [PtrW-1:0]  \u_ram.f_watch ;
  (* hierconn *) wire [Width-1:0] \u_ram.f_watched ;
  logic              f_past = 1'b0, f_marked;
  logic [LevelW-1:0] f_level, f_ahead;
  logic [Width-1:0]  f_word;

  f_scoreboard #(.Width(Width), .LevelW(LevelW)) f_words (
    .clk, .rst, .may_mark(wr_ptr == \u_ram.f_watch ), .push, .push_data(s_data), .pop,
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
      // level: the counter counts the word at the output too, the pointers agree with it
      assert (f_level == level && 32'(level) <= Depth && level >= LevelW'(m_valid));
      assert (32'(rd_ptr) < Depth && wr_ptr == f_slot(level - LevelW'(m_valid)));
      assert (s_ready == (32'(f_level) != Depth));
      // order: the marked word is at the output in its turn; before, it lies in the watched slot where its turn says
      if (f_marked && m_valid && f_ahead == '0) assert (m_data == f_word);
      else if (f_marked) assert (f_slot(f_ahead - LevelW'(m_valid)) == \u_ram.f_watch && \u_ram.f_watched == f_word);
    end
    if (f_past && !$past(rst)) begin
      // stability
      if ($past(m_valid && !m_ready)) assert (m_valid && $stable(m_data));
      // latency and throughput: a word in the RAM is out in the next clock unless the output is blocked
      if ($past(level > LevelW'(m_valid))) assert (m_valid);
    end
    cover (f_past && !s_ready && m_ready && f_marked && 32'(f_ahead) == Depth - 1);
    cover (f_past && $past(push && pop) && wr_ptr == '0 && push && pop);
  end
