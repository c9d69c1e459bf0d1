  (* hierconn *) wire [Lanes*ByteW:0] \u_reg.skid_data ;
  logic                   f_past = 1'b0, f_marked;
  logic [1:0]             f_level, f_ahead;
  logic [Lanes*ElemW-1:0] f_word;
  logic [Lanes*ByteW-1:0] f_bytes;  // the marked word, each element extended
  logic [31:0]            f_beat;   // transfers of this frame that have left

  for (genvar i = 0; i < Lanes; i++) begin : gen_f
    logic f_sign;
    assign f_sign = Code == bw_pkg::Signed && f_word[i*ElemW + ElemW - 1];
    assign f_bytes[i*ByteW +: ByteW] = {{(ByteW - ElemW){f_sign}}, f_word[i*ElemW +: ElemW]};
  end
  f_scoreboard #(.Width(Lanes * ElemW), .LevelW(2)) f_words (
    .clk, .rst, .may_mark(1'b1), .push(s_valid && s_ready), .push_data(s_data), .pop(m_axis_tvalid && m_axis_tready),
    .level(f_level), .marked(f_marked), .ahead(f_ahead), .element(f_word)
  );

  always @(posedge clk) begin
    f_past <= 1'b1;
    if (!f_past) `needs (rst);
    if (m_axis_tvalid && m_axis_tready) f_beat <= (f_beat + 32'd1 == Beats) ? '0 : f_beat + 32'd1;
    if (rst) f_beat <= '0;
    if (f_past) begin
      // level: the words held are those in the elastic register
      assert (f_level == {1'b0, m_axis_tvalid} + {1'b0, !s_ready});
      assert (f_beat < Beats && 32'(beat) == (f_beat + 32'(f_level)) % Beats);
      // order: the marked word lies where its turn says; the last of every Beats transfers is marked, no other
      if (f_marked && f_ahead == '0) assert (m_axis_tdata == f_bytes);
      if (f_marked && f_ahead != '0) assert (\u_reg.skid_data [Lanes*ByteW-1:0] == f_bytes);
      if (m_axis_tvalid) assert (m_axis_tlast == (f_beat + 32'd1 == Beats));
      if (!s_ready) assert (\u_reg.skid_data [Lanes*ByteW] == ((f_beat + 32'd1) % Beats + 32'd1 == Beats));
    end
    if (f_past && !$past(rst)) begin
      // stability
      if ($past(m_axis_tvalid && !m_axis_tready)) assert (m_axis_tvalid && $stable({m_axis_tlast, m_axis_tdata}));
      // latency and throughput
      if ($past(s_valid && s_ready)) assert (m_axis_tvalid);
      if ($past(m_axis_tready)) assert (s_ready);
    end
    cover (f_past && m_axis_tvalid && m_axis_tready && m_axis_tlast && f_marked && f_ahead == 2'd1);
    cover (f_past && $past(m_axis_tlast && m_axis_tvalid && m_axis_tready) && m_axis_tvalid && m_axis_tready);
  end
