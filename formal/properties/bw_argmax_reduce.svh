  // The place is found again by walking along the elements; the module's state is that of the walk, Levels clocks later.
  localparam int FDepth  = (Levels + 2) / Fold + 2;
  localparam int FLevelW = $clog2(FDepth + 1);
  (* hierconn *) wire [$clog2(FDepth)-1:0] \u_flow.u_fifo.rd_ptr , \u_flow.u_fifo.f_watch ;
  (* hierconn *) wire [FLevelW-1:0]        \u_flow.credits , \u_flow.u_fifo.level ;
  (* hierconn *) wire [YW-1:0]             \u_flow.u_fifo.f_watched ;
  logic                 f_past = 1'b0, f_marked, f_flowing;
  logic [FLevelW-1:0]   f_level, f_ahead;
  logic [YW-1:0]        f_word, f_place, f_found;  // the place of f_best, of f_largest
  logic signed [XW:0]   f_element, f_best, f_largest;  // of the beats of this fold so far, with the one that is offered
  logic [31:0]          f_beat;

  always_comb begin
    f_largest = f_best;
    f_found   = f_place;
    f_element = '0;
    for (int i = 0; i < Lanes; i++) begin
      f_element = {XCode == bw_pkg::Signed && s_data[i*XW + XW - 1], s_data[i*XW +: XW]};
      if ((f_beat == '0 && i == 0) || f_element > f_largest || (Last && f_element == f_largest)) begin
        f_largest = f_element;
        f_found   = YW'(f_beat * Lanes + i);
      end
    end
  end
  f_scoreboard #(.Width(YW), .LevelW(FLevelW)) f_words (
    .clk, .rst, .push(s_valid && s_ready && f_beat == Fold - 1), .push_data(f_found), .pop(m_valid && m_ready),
    .may_mark((32'(\u_flow.u_fifo.rd_ptr ) + 32'(f_level)) % FDepth == 32'(\u_flow.u_fifo.f_watch )),
    .level(f_level), .marked(f_marked), .ahead(f_ahead), .element(f_word)
  );

  for (genvar l = 0; l <= Levels; l++) begin : gen_f  // the walk as it was l clocks ago
    logic signed [XW:0] best_then;
    logic [YW-1:0]      place_then;
    logic [31:0]        beat_then;
    if (l == 0) begin : gen_f_now
      assign best_then  = f_best;
      assign place_then = f_place;
      assign beat_then  = f_beat;
    end else begin : gen_f_then
      always @(posedge clk) begin
        best_then  <= gen_f[l-1].best_then;
        place_then <= gen_f[l-1].place_then;
        beat_then  <= rst ? '0 : gen_f[l-1].beat_then;
      end
    end
  end

  always @(posedge clk) begin
    f_past    <= 1'b1;
    f_flowing <= rst || (f_flowing && m_ready);  // the sink has been ready ever since the reset
    if (s_valid && s_ready) begin
      f_best  <= f_largest;
      f_place <= f_found;
      f_beat  <= (f_beat == Fold - 1) ? '0 : f_beat + 32'd1;
    end
    if (rst) f_beat <= '0;
    if (!f_past) `needs (rst);
    if (f_past) begin
      // level: the places held are those without a credit; the beats of the next are counted
      assert (32'(f_level) + 32'(\u_flow.credits ) == FDepth);
      assert (f_beat < Fold && 32'(beat) == f_beat);
      assert (f_beat == '0 || f_best[XW] == (XCode == bw_pkg::Signed && f_best[XW-1]));
      assert (s_ready == (free || f_beat != Fold - 1));
      // order: behind the tree stands what the walk found, and the marked place leaves in its turn
      assert (first == (gen_f[Levels].beat_then == '0) && 32'(base) == gen_f[Levels].beat_then * Lanes);
      if (!first) assert (place == gen_f[Levels].place_then && (best ^ Flip) == XW'(gen_f[Levels].best_then));
      if (f_marked) begin
        assert ((32'(\u_flow.u_fifo.rd_ptr ) + 32'(f_ahead)) % FDepth == 32'(\u_flow.u_fifo.f_watch ));
        if (f_ahead < \u_flow.u_fifo.level ) assert (\u_flow.u_fifo.f_watched == f_word);
        if (m_valid && f_ahead == '0) assert (m_data == f_word);
      end
      // throughput
      if (f_flowing) assert (s_ready);
    end
    // stability
    if (f_past && !$past(rst) && $past(m_valid && !m_ready)) assert (m_valid && $stable(m_data));
    cover (f_past && m_valid && !free && last && s_valid && f_marked && f_ahead == '0 && f_word != '0);
    cover (f_past && f_flowing && m_valid && go && f_marked && f_word != '0);
  end
