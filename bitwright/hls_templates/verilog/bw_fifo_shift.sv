// SPDX-License-Identifier: Apache-2.0
// bw_fifo_shift: first-word-fall-through FIFO of Depth words in a shift register with a movable tap.
//
// A word enters at slot 0 and pushes the others on; the oldest is level - 1 slots further. Its control is one counter.
//
// Contract
//   Order       words leave in order, none lost, none repeated; at most Depth are held.
//   Stability   once m_valid is high, m_valid and m_data hold until m_ready.
//   Timing      s_ready and m_valid are functions of registers, m_data is read asynchronously at the tap;
//               latency 1, one word per clock for Depth >= 2.
//   Reset       synchronous, active high, clears the level; the slots keep their content.
`default_nettype none

module bw_fifo_shift #(
  parameter int Width = 8,  // payload bits, >= 1
  parameter int Depth = 4   // words, >= 2
) (
  input  wire  logic             clk,
  input  wire  logic             rst,
  input  wire  logic             s_valid,
  output logic                   s_ready,
  input  wire  logic [Width-1:0] s_data,
  output logic                   m_valid,
  input  wire  logic             m_ready,
  output logic [Width-1:0]       m_data
);
  localparam int TapW   = $clog2(Depth);
  localparam int LevelW = $clog2(Depth + 1);

  logic [LevelW-1:0] level;  // words held
  logic [TapW-1:0]   tap;    // slot of the oldest word
  logic              push, pop;

  initial if (Depth < 2) $fatal(1, "bw_fifo_shift: Depth must be at least 2");

  assign s_ready = level != LevelW'(Depth);
  assign m_valid = level != '0;
  assign tap     = m_valid ? TapW'(level - 1'b1) : '0;
  assign push    = s_valid && s_ready;
  assign pop     = m_valid && m_ready;

  for (genvar b = 0; b < Width; b++) begin : gen_bit
    logic [Depth-1:0] slots;  // of this bit, the newest first
    always_ff @(posedge clk) if (push) slots <= {slots[Depth-2:0], s_data[b]};
    assign m_data[b] = slots[tap];
  end

  always_ff @(posedge clk) begin
    if (push && !pop) level <= level + 1'b1;
    if (pop && !push) level <= level - 1'b1;
    if (rst) level <= '0;
  end
endmodule

`default_nettype wire
