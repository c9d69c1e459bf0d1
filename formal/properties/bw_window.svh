  // Two frames of any content alternate. One place of the ring is watched. Depth is a power of two here.
  localparam int InBeats = Height * Width * Pixel;
  localparam int FW      = $clog2((Height + Top + KernelH * DilationH + 2) * Width * Blocks * Inner) + 3;
  (* hierconn *) wire [PtrW-1:0]     \u_ring.f_watch ;
  (* hierconn *) wire [Lanes*XW-1:0] \u_ring.f_watched , \u_flow.u_fifo.f_watched ;
  (* hierconn *) wire [1:0] \u_flow.credits , \u_flow.u_fifo.rd_ptr , \u_flow.u_fifo.f_watch , \u_flow.u_fifo.level ;
  (* hierconn *) wire [FW-1:0]       \u_walk.f_address , \u_walk.f_corner ;
  (* anyconst *) logic [InBeats*Lanes*XW-1:0] f_even, f_odd;
  logic                 f_past = 1'b0, f_marked, f_odd_in, f_odd_out;
  logic [1:0]           f_level, f_ahead;
  logic [Lanes*XW-1:0]  f_meant, f_word;
  logic [FW-1:0]        f_in;       // beats of the frame that enters
  logic signed [2:0]    f_newer;    // frames from the one that leaves to the one that enters
  logic signed [FW-1:0] f_written;  // beats of the frame that leaves and of those behind it
  logic signed [FW-1:0] f_address, f_corner, f_fill, f_spent, f_since_address, f_since_corner;
  logic                 f_last_in;
  logic [PtrW-1:0]      f_age;      // writes since the one to the watched place, modulo Depth
  logic signed [FW-1:0] f_kept;     // the address of the watched beat, in the frame that leaves or in those behind it

  assign f_address = \u_walk.f_address ;
  assign f_corner  = \u_walk.f_corner ;
  assign f_fill    = FW'($signed({1'b0, fill}));
  assign f_spent   = FW'(spent);
  assign f_since_address = f_written - f_address;
  assign f_since_corner  = f_written - f_corner;
  assign f_age     = wr_ptr - \u_ring.f_watch ;
  assign f_kept    = f_written - ((f_age == '0) ? FW'($signed(Depth)) : FW'($signed({1'b0, f_age})));
  assign f_last_in = f_in == FW'(InBeats - 1);
  assign f_written = FW'(f_newer) * FW'($signed(InBeats)) + $signed(f_in);

  // beat `address` of a frame
  function automatic logic [Lanes*XW-1:0] f_beat(input logic odd, input logic [FW-1:0] address);
    f_beat = '0;
    for (int i = 0; i < InBeats; i++)
      if (address == FW'(i)) f_beat = odd ? f_odd[i*Lanes*XW +: Lanes*XW] : f_even[i*Lanes*XW +: Lanes*XW];
  endfunction

  // the place `steps` after place `first` of three
  function automatic logic [1:0] f_place(input logic [1:0] first, input logic [1:0] steps);
    f_place = 2'((3'(first) + 3'(steps) >= 3'd3) ? 3'(first) + 3'(steps) - 3'd3 : 3'(first) + 3'(steps));
  endfunction

  assign f_meant = padding ? {Lanes{PadValue}} : f_beat(f_odd_out, f_address);
  f_scoreboard #(.Width(Lanes * XW), .LevelW(2)) f_words (
    .clk, .rst, .push(go), .push_data(f_meant), .pop(m_valid && m_ready),
    .may_mark((padding || rd_ptr == \u_ring.f_watch )
              && f_place(\u_flow.u_fifo.rd_ptr , f_level) == \u_flow.u_fifo.f_watch ),
    .level(f_level), .marked(f_marked), .ahead(f_ahead), .element(f_word)
  );

  always @(posedge clk) begin
    f_past <= 1'b1;
    if (write) f_in <= f_last_in ? '0 : f_in + 1'b1;
    if (write && f_last_in) f_odd_in <= !f_odd_in;
    if (go && level == 3'd6) f_odd_out <= !f_odd_out;
    f_newer <= f_newer + 3'(write && f_last_in) - 3'(go && level == 3'd6);
    if (rst) begin
      f_in      <= '0;
      f_newer   <= '0;
      f_odd_in  <= 1'b0;
      f_odd_out <= 1'b0;
    end
    if (!f_past) `needs (rst);
    if (f_past && s_valid) `needs (s_data == f_beat(f_odd_in, f_in));
    if (f_past) begin
      assert (f_in < FW'(InBeats) && f_newer >= -1 && f_newer <= 2 && (f_odd_in ^ f_odd_out) == f_newer[0]);
      // level: what has entered since the current address, what the ring holds, what is held for the output
      assert (ahead == f_since_address);
      assert (fill <= FillW'(Depth) && f_fill - f_spent == f_since_corner);
      assert (wr_ptr - rd_ptr == ahead[PtrW-1:0]);
      assert (spent >= 0 || f_spent == f_corner);
      assert (f_level + \u_flow.credits == 2'd3);
      // a beat is read from the ring after it was written and before it is overwritten
      if (go && !padding) assert (ahead > 0 && ahead <= AddrW'(Depth));
      // the first beat of a frame waits for the frame's first pixel
      if (go && start) assert (f_written > 0);
      // order: the watched place holds the beat that was written there
      if (f_written - f_kept <= f_fill && f_kept >= 0)
        assert (\u_ring.f_watched == ((f_kept < FW'(InBeats)) ? f_beat(f_odd_out, f_kept)
                : (f_kept < FW'(2 * InBeats)) ? f_beat(!f_odd_out, f_kept - FW'(InBeats))
                : f_beat(f_odd_out, f_kept - FW'(2 * InBeats))));
      // the marked beat goes to the watched place of the FIFO and leaves in its turn
      if (f_marked) begin
        assert (f_place(\u_flow.u_fifo.rd_ptr , f_ahead) == \u_flow.u_fifo.f_watch );
        if (f_ahead < \u_flow.u_fifo.level ) assert (\u_flow.u_fifo.f_watched == f_word);
        if (m_valid && f_ahead == '0) assert (m_data == f_word);
      end
    end
    // stability
    if (f_past && !$past(rst) && $past(m_valid && !m_ready)) assert (m_valid && $stable(m_data));
    cover (f_past && go && level == 3'd6 && write && f_newer == 1);
    cover (f_past && !s_ready && !free);
  end
