  // What bw_mvu_flow hands out is a matter of its own properties; here, what the selectors make of it a clock later.
  logic f_past = 1'b0;

  always @(posedge clk) begin
    f_past <= 1'b1;
    if (!f_past) `needs (rst);
    if (f_past) begin
      // turns: the weights of a beat a clock after its choices, its elements a clock after those
      assert (w_en == $past(k_en) && w_addr == $past(k_addr));
      assert (x_valid == $past(valid) && x_first == $past(first));
      if (!$past(rst)) assert (x_valid == $past(w_en));
    end
    // stability
    if (f_past && !$past(rst) && $past(m_valid && !m_ready)) assert (m_valid && $stable(m_data));
    cover (f_past && x_valid && x_first && w_en && m_valid);
  end

  // order: each multiplier has the element of its own set that its choice names
  for (genvar f_p = 0; f_p < PE; f_p++) begin : gen_f_pe
    for (genvar f_s = 0; f_s < Sets; f_s++) begin : gen_f_set
      for (genvar f_k = 0; f_k < Kept; f_k++) begin : gen_f_kept
        localparam int FPlace = (f_p * Sets + f_s) * Kept + f_k;
        logic [31:0]           f_element;  // of the beat
        logic [Sets*Of*XW-1:0] f_from;     // the beat from there on

        assign f_element = f_s * Of + 32'(k_word[FPlace*ChoiceW +: ChoiceW]);
        assign f_from    = beat >> (f_element * XW);

        always @(posedge clk) if (f_past) assert (x_data[FPlace*XW +: XW] == $past(f_from[XW-1:0]));
      end
    end
  end
