  // Two frames of any content alternate; the marked element is the field of a window, as the contract promises it.
  localparam int BeatW = Lanes * XW;
  localparam int FieldW = Taps * BeatW;
  (* hierconn *) wire [FieldW-1:0] \u_reg.skid_data ;
  (* hierconn *) wire [7:0]        \u_mask.f_block , \u_mask.f_col , \u_mask.f_row ;
  (* anyconst *) logic [InBeats*BeatW-1:0] f_even, f_odd;
  logic              f_past = 1'b0, f_marked, f_odd_in, f_odd_out, f_entering, f_last_in, f_last_out;
  logic [1:0]        f_level, f_ahead;
  logic [FieldW-1:0] f_meant, f_word;
  logic [7:0]        f_in, f_block, f_col, f_row;  // the beat that enters, the window that leaves next
  logic signed [2:0] f_newer;                      // frames from the one that leaves to the one that enters
  // places of the frame that leaves: the newest that its next window needs, and as far as the line has come
  logic signed [9:0] f_need, f_at;

  assign f_entering = f_odd_in ^ (place >= PlaceW'(InBeats));  // the frame whose places enter is odd
  assign f_last_in  = f_in == 8'(InBeats - 1);
  assign f_last_out = f_block == 8'(Blocks - 1) && f_col == 8'(OutWidth - 1) && f_row == 8'(OutHeight - 1);

  assign f_need = First * Blocks + (f_row * StrideH * Width + f_col * StrideW) * Blocks + f_block;
  assign f_at   = f_need + 10'sd1 - $signed(10'(wait_q));

  for (genvar i = 0; i < KernelH; i++) begin : gen_f_row
    for (genvar j = 0; j < KernelW; j++) begin : gen_f_tap
      logic signed [8:0] y, x;
      logic [BeatW-1:0]  element;
      assign y = $signed({1'b0, f_row}) * 9'sd1 * StrideH + i * DilationH - Top;
      assign x = $signed({1'b0, f_col}) * 9'sd1 * StrideW + j * DilationW - Left;
      always_comb begin
        element = {Lanes{PadValue}};
        for (int p = 0; p < InBeats; p++) begin
          if (y == p / (Width * Blocks) && x == (p / Blocks) % Width && f_block == 8'(p % Blocks))
            element = f_odd_out ? f_odd[p*BeatW +: BeatW] : f_even[p*BeatW +: BeatW];
        end
      end
      assign f_meant[(i*KernelW+j)*BeatW +: BeatW] = element;
    end
  end
  f_scoreboard #(.Width(FieldW), .LevelW(2)) f_words (
    .clk, .rst, .may_mark(1'b1), .push(give), .push_data(f_meant), .pop(m_valid && m_ready),
    .level(f_level), .marked(f_marked), .ahead(f_ahead), .element(f_word)
  );

  always @(posedge clk) begin
    f_past <= 1'b1;
    if (s_valid && s_ready) f_in <= f_last_in ? '0 : f_in + 8'd1;
    if (s_valid && s_ready && f_last_in) f_odd_in <= !f_odd_in;
    if (give) f_block <= (f_block == 8'(Blocks - 1)) ? '0 : f_block + 8'd1;
    if (give && f_block == 8'(Blocks - 1)) f_col <= (f_col == 8'(OutWidth - 1)) ? '0 : f_col + 8'd1;
    if (give && f_block == 8'(Blocks - 1) && f_col == 8'(OutWidth - 1)) f_row <= f_last_out ? '0 : f_row + 8'd1;
    if (give && f_last_out) f_odd_out <= !f_odd_out;
    f_newer <= f_newer + 3'(s_valid && s_ready && f_last_in) - 3'(give && f_last_out);
    if (rst) begin
      {f_in, f_block, f_col, f_row} <= '0;
      f_newer   <= '0;
      f_odd_in  <= 1'b0;
      f_odd_out <= 1'b0;
    end
    if (!f_past) `needs (rst);
    for (int p = 0; p < InBeats; p++)
      if (f_past && s_valid && f_in == 8'(p))
        `needs (s_data == (f_odd_in ? f_odd[p*BeatW +: BeatW] : f_even[p*BeatW +: BeatW]));
    if (f_past) begin
      assert (f_newer >= -1 && f_newer <= 2);
      // level: the fields held are those in the elastic register
      assert (f_level == {1'b0, m_valid} + {1'b0, !room});
      // order: the marked field lies where its turn says
      if (f_marked) assert ((f_ahead == '0) ? m_data == f_word : \u_reg.skid_data == f_word);
      // turns: the two counts of windows agree; the line stands where the places and the wait say
      assert (\u_mask.f_block == f_block && \u_mask.f_col == f_col && \u_mask.f_row == f_row);
      assert (f_block < Blocks && f_col < OutWidth && f_row < OutHeight);
      assert (place < PlaceW'(Places) && f_in == ((place < PlaceW'(InBeats)) ? 8'(place) : 8'd0));
      assert (f_newer == $signed({2'b0, behind}) - $signed({2'b0, ahead}) + $signed({2'b0, place >= PlaceW'(InBeats)}));
      assert ((f_odd_in ^ f_odd_out) == f_newer[0] && !(behind && ahead));
      if (!behind && !ahead) assert (f_at == $signed(10'(place)));
      if (behind) assert (f_at >= $signed(10'(place)) + $signed(10'(Places)));
      if (ahead) assert (f_at == 0);
      // no deadlock: with room for a field, a window is given, a beat is awaited or the line moves on
      if (room) assert (give || s_ready || shift);
      if (room && behind && place == '0) assert (give || shift);
      // the taps of a line of registers: beats of the frame that leaves, and of the one that enters
      for (int k = 0; k < Taps; k++) begin
        for (int p = 0; p < InBeats; p++) begin
          if (KernelH == 1 && Along == 1 && !ahead && f_at == $signed(10'(p + Taps - k)))
            assert (taps[k*BeatW +: BeatW] == (f_odd_out ? f_odd[p*BeatW +: BeatW] : f_even[p*BeatW +: BeatW]));
          if (KernelH == 1 && Along == 1 && 10'(place) == 10'(p + Taps - k))
            assert (taps[k*BeatW +: BeatW] == (f_entering ? f_odd[p*BeatW +: BeatW] : f_even[p*BeatW +: BeatW]));
        end
      end
    end
    // stability
    if (f_past && !$past(rst) && $past(m_valid && !m_ready)) assert (m_valid && $stable(m_data));
    cover (f_past && give && f_last_out && s_valid && s_ready && f_marked);
    cover (f_past && f_odd_out && f_marked && !room && m_ready);
  end
