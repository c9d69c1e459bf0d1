  // The constants are any words of a ROM; the marked element is the beat of sums that the contract promises.
  (* hierconn *) wire [$clog2(Latency+2)-1:0] \u_flow.u_fifo.rd_ptr , \u_flow.u_fifo.f_watch ;
  (* hierconn *) wire [$clog2(Latency+3)-1:0] \u_flow.credits , \u_flow.u_fifo.level ;
  (* hierconn *) wire [Lanes*YW-1:0]          \u_flow.u_fifo.f_watched ;
  (* anyconst *) logic [Folds*Lanes*Operands*FW-1:0] f_rom;
  localparam int FLevelW = $clog2(Latency + 3);
  logic                f_past = 1'b0, f_marked;
  logic [FLevelW-1:0]  f_level, f_ahead;
  logic [Lanes*YW-1:0] f_sums, f_word;
  logic [31:0]         f_fold;  // beats taken, modulo Folds

  for (genvar i = 0; i < Lanes; i++) begin : gen_f
    logic [Operands*YW-1:0] products;
    logic [YW-1:0]          total;
    for (genvar k = 0; k < Operands; k++) begin : gen_product
      logic signed [FW-1:0] told;
      logic [YW-1:0]        factor;
      assign told = EachFactor[k] ? f_rom[((f_fold*Lanes+i)*Operands+k)*FW +: FW] : Factors[k*FW +: FW];
      if (Powers[k] || Shifts[k]) begin : gen_power
        wire [DistanceW+1:0] code = told;
        wire [YW-1:0]        size = YW'(1) << code[DistanceW-1:0];
        assign factor = Shifts[k] ? size : code[DistanceW] ? '0 : code[DistanceW+1] ? -size : size;
      end else begin : gen_number
        assign factor = YW'(told);
      end
      assign products[k*YW +: YW] = YW'($signed(s_data[(k*Lanes+i)*XW +: XW])) * factor;
    end
    always_comb begin
      total = '0;
      for (int k = 0; k < Operands; k++) total = total + products[k*YW +: YW];
    end
    assign f_sums[i*YW +: YW] = total;
  end
  f_scoreboard #(.Width(Lanes * YW), .LevelW(FLevelW)) f_words (
    .clk, .rst, .push(s_valid[0] && s_ready[0]), .push_data(f_sums), .pop(m_valid && m_ready),
    .may_mark((32'(\u_flow.u_fifo.rd_ptr ) + 32'(f_level)) % (Latency + 2) == 32'(\u_flow.u_fifo.f_watch )),
    .level(f_level), .marked(f_marked), .ahead(f_ahead), .element(f_word)
  );

  always @(posedge clk) begin
    f_past <= 1'b1;
    if (k_en) f_fold <= (f_fold + 32'd1 == Folds) ? '0 : f_fold + 32'd1;
    if (rst) f_fold <= '0;
    if (!f_past) `needs (rst);
    if (f_past && $past(k_en)) `needs (k_word == f_rom[$past(f_fold)*Lanes*Operands*FW +: Lanes*Operands*FW]);
    if (f_past) begin
      // join: a beat of every operand or of none, as soon as all are there and there is room
      assert (s_ready == {Operands{(&s_valid) && free}});
      assert (k_en == s_ready[0]);
      assert (f_fold < Folds && 32'(k_addr) == f_fold);
      // level: the beats held are those without a credit
      assert (32'(f_level) + 32'(\u_flow.credits ) == Latency + 2);
      // order: the marked sums go to the watched place of the FIFO and leave in their turn
      if (f_marked) begin
        assert ((32'(\u_flow.u_fifo.rd_ptr ) + 32'(f_ahead)) % (Latency + 2) == 32'(\u_flow.u_fifo.f_watch ));
        if (f_ahead < \u_flow.u_fifo.level ) assert (\u_flow.u_fifo.f_watched == f_word);
        if (m_valid && f_ahead == '0) assert (m_data == f_word);
      end
    end
    // stability
    if (f_past && !$past(rst) && $past(m_valid && !m_ready)) assert (m_valid && $stable(m_data));
    cover (f_past && m_valid && !free && (&s_valid) && f_marked && f_ahead == '0 && f_word != '0);
    cover (f_past && s_valid == Operands'(1) && free && f_fold == Folds - 1);
  end
