  // What is marked is the result at the clock in which it lands, Latency clocks after its take.
  (* hierconn *) wire [$clog2(Depth)-1:0] \u_fifo.rd_ptr , \u_fifo.wr_ptr , \u_fifo.f_watch ;
  (* hierconn *) wire [CreditW-1:0]       \u_fifo.level ;
  (* hierconn *) wire [Width-1:0]         \u_fifo.f_watched ;
  logic               f_past = 1'b0, f_marked, f_flowing;
  logic [CreditW-1:0] f_level, f_ahead;
  logic [Width-1:0]   f_word;
  logic [Latency-1:0] f_taken;   // the takes of the last clocks
  logic [31:0]        f_flying;  // results on their way

  always_comb begin
    f_flying = '0;
    for (int i = 0; i < Latency; i++) f_flying = f_flying + 32'(f_taken[i]);
  end
  f_scoreboard #(.Width(Width), .LevelW(CreditW)) f_words (
    .clk, .rst, .may_mark(\u_fifo.wr_ptr == \u_fifo.f_watch ), .push(f_taken[Latency-1]), .push_data(result),
    .pop(give), .level(f_level), .marked(f_marked), .ahead(f_ahead), .element(f_word)
  );

  always @(posedge clk) begin
    f_past    <= 1'b1;
    f_taken   <= rst ? '0 : Latency'({f_taken, take});
    f_flowing <= rst || (f_flowing && m_ready);  // the sink has been ready ever since the reset
    if (!f_past) `needs (rst);
    if (f_past) begin
      if (!rst) `needs (!take || free);
      // level: every place of the FIFO is a credit, promised to a result on its way, or taken
      assert (in_flight == f_taken);
      assert (f_level == \u_fifo.level );
      assert (32'(credits) + f_flying + 32'(f_level) == Depth);
      assert (free == (credits != '0) && m_valid == (f_level != '0));
      // order: the marked result leaves in its turn
      if (f_marked) assert ((32'(\u_fifo.rd_ptr ) + 32'(f_ahead)) % Depth == 32'(\u_fifo.f_watch ));
      if (f_marked) assert (\u_fifo.f_watched == f_word);
      if (f_marked && f_ahead == '0) assert (m_valid && m_data == f_word);
      // throughput
      if (f_flowing) assert (f_level <= 1 && (Depth < Latency + 2 || free));
    end
    if (f_past && !$past(rst)) begin
      // stability and latency
      if ($past(m_valid && !m_ready)) assert (m_valid && $stable(m_data));
      if ($past(f_taken[Latency-1])) assert (m_valid);
    end
    cover (f_past && 32'(f_level) == Depth && !free && m_ready && f_marked);
    cover (f_past && f_flowing && m_valid && (Depth < Latency + 2 || ((&f_taken) && take)));
  end
