  // The marked element is the beat of products that the contract promises.
  (* hierconn *) wire [1:0]          \u_flow.u_fifo.rd_ptr , \u_flow.u_fifo.f_watch ;
  (* hierconn *) wire [2:0]          \u_flow.credits , \u_flow.u_fifo.level ;
  (* hierconn *) wire [Lanes*YW-1:0] \u_flow.u_fifo.f_watched ;
  logic                f_past = 1'b0, f_marked;
  logic [2:0]          f_level, f_ahead;
  logic [Lanes*YW-1:0] f_products, f_word;

  for (genvar i = 0; i < Lanes; i++) begin : gen_f
    logic signed [XW:0]     a, b;  // the differences to the zero points, one bit wider
    logic signed [2*XW+1:0] product;
    assign a = (XW+1)'($signed(s_data[i*XW +: XW])) - (XW+1)'(Zero0);
    assign b = (XW+1)'($signed(s_data[(Lanes+i)*XW +: XW])) - (XW+1)'(Zero1);
    assign product = (2*XW+2)'(a) * (2*XW+2)'(b);
    assign f_products[i*YW +: YW] = YW'(product);
    always @(posedge clk) if (f_past) `needs (!take || (a[XW] == a[XW-1] && b[XW] == b[XW-1]));
  end
  f_scoreboard #(.Width(Lanes * YW), .LevelW(3)) f_words (
    .clk, .rst, .push(s_valid[0] && s_ready[0]), .push_data(f_products), .pop(m_valid && m_ready),
    .may_mark(\u_flow.u_fifo.rd_ptr + f_level[1:0] == \u_flow.u_fifo.f_watch ),
    .level(f_level), .marked(f_marked), .ahead(f_ahead), .element(f_word)
  );

  always @(posedge clk) begin
    f_past <= 1'b1;
    if (!f_past) `needs (rst);
    if (f_past) begin
      // join: a beat of both operands or of none, as soon as both are there and there is room
      assert (s_ready == {2{(&s_valid) && free}});
      // level: the beats held are those without a credit
      assert (f_level + \u_flow.credits == 3'd4);
      // order: the marked products go to the watched place of the FIFO and leave in their turn
      if (f_marked) begin
        assert (\u_flow.u_fifo.rd_ptr + f_ahead[1:0] == \u_flow.u_fifo.f_watch );
        if (f_ahead < \u_flow.u_fifo.level ) assert (\u_flow.u_fifo.f_watched == f_word);
        if (m_valid && f_ahead == '0) assert (m_data == f_word);
      end
    end
    // stability
    if (f_past && !$past(rst) && $past(m_valid && !m_ready)) assert (m_valid && $stable(m_data));
    cover (f_past && m_valid && !free && (&s_valid) && f_marked && f_ahead == '0 && f_word != '0);
    cover (f_past && s_valid == 2'b01 && free && m_valid && m_ready);
  end
