  (* hierconn *) wire [Lanes*ElemW-1:0] \u_reg.skid_data ;
  logic                   f_past = 1'b0, f_marked, f_bad;
  logic [1:0]             f_level, f_ahead;
  logic [Lanes*ElemW-1:0] f_word, f_elements;
  logic [31:0]            f_beat;  // transfers of this frame

  for (genvar i = 0; i < Lanes; i++) begin : gen_f
    assign f_elements[i*ElemW +: ElemW] = ElemW'(s_axis_tdata >> (i * ByteW));
  end
  f_scoreboard #(.Width(Lanes * ElemW), .LevelW(2)) f_words (
    .clk, .rst, .may_mark(1'b1), .push(s_axis_tvalid && s_axis_tready), .push_data(f_elements),
    .pop(m_valid && m_ready), .level(f_level), .marked(f_marked), .ahead(f_ahead), .element(f_word)
  );

  always @(posedge clk) begin
    f_past <= 1'b1;
    if (!f_past) `needs (rst);
    if (s_axis_tvalid && s_axis_tready) begin
      f_beat <= (f_beat + 32'd1 == Beats) ? '0 : f_beat + 32'd1;
      if (s_axis_tlast != (f_beat + 32'd1 == Beats)) f_bad <= 1'b1;
    end
    if (rst) begin
      f_beat <= '0;
      f_bad  <= 1'b0;
    end
    if (f_past) begin
      // level: the words held are those in the elastic register; frames are counted, whatever tlast says
      assert (f_level == {1'b0, m_valid} + {1'b0, !s_axis_tready});
      assert (f_beat < Beats && 32'(beat) == f_beat);
      assert (frame_error == f_bad);
      // order: the marked word lies where its turn says, whether tlast was right or wrong
      if (f_marked) assert ((f_ahead == '0) ? m_data == f_word : \u_reg.skid_data == f_word);
    end
    if (f_past && !$past(rst)) begin
      // stability
      if ($past(m_valid && !m_ready)) assert (m_valid && $stable(m_data));
      if ($past(frame_error)) assert (frame_error);
      // latency and throughput
      if ($past(s_axis_tvalid && s_axis_tready)) assert (m_valid);
      if ($past(m_ready)) assert (s_axis_tready);
    end
    cover (f_past && $past(s_axis_tvalid && s_axis_tready && s_axis_tlast && last) && !frame_error && !s_axis_tready);
    cover (f_past && !$past(frame_error) && $past(f_marked) && frame_error);
  end
