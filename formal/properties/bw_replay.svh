  // One index is watched, the one that the RAM's properties watch; for Times >= 2.
  (* hierconn *) wire [AddrW-1:0] \gen_store.u_ram.f_watch ;
  (* hierconn *) wire [Width-1:0] \gen_store.u_ram.f_watched ;
  wire [AddrW-1:0]  f_watch = \gen_store.u_ram.f_watch ;
  logic             f_past = 1'b0, f_written = 1'b0;
  logic [Width-1:0] f_word;

  always @(posedge clk) begin
    f_past <= 1'b1;
    if (f_past && go) `needs (32'(index) < Words);
    if (go && fresh && index == f_watch) begin
      f_written <= 1'b1;
      f_word    <= s_data;
    end
    if (f_written) assert (\gen_store.u_ram.f_watched == f_word);
    // order: what came in fresh is given at once, and again at the same index until the next fresh word
    if (f_past && $past(go && fresh)) assert (word == $past(s_data));
    if (f_past && $past(go && !fresh && index == f_watch && f_written)) assert (word == $past(f_word));
    cover (f_past && $past(go && !fresh && index == f_watch && f_written) && word == $past(f_word) && f_word != '0);
  end
