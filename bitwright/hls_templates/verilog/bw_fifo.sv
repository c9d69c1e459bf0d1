// SPDX-License-Identifier: Apache-2.0
// bw_fifo: first-word-fall-through FIFO of Depth words in distributed memory.
//
// Contract
//   Order       words leave in order, none lost, none repeated; at most Depth are held.
//   Stability   once m_valid is high, m_valid and m_data hold until m_ready.
//   Timing      s_ready and m_valid are functions of registers, m_data is read asynchronously from the head;
//               latency 1, one word per clock for Depth >= 2.
//   Reset       synchronous, active high, clears pointers and level; the memory keeps its content.
`default_nettype none

module bw_fifo #(
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
  localparam int PtrW   = $clog2(Depth);
  localparam int LevelW = $clog2(Depth + 1);
  localparam logic [PtrW-1:0] Last = PtrW'(Depth - 1);

  (* ram_style = "distributed" *) logic [Width-1:0] mem [Depth];
  logic [PtrW-1:0]   wr_ptr, rd_ptr;
  logic [LevelW-1:0] level;  // words held
  logic              push, pop;

  initial if (Depth < 2) $fatal(1, "bw_fifo: Depth must be at least 2");

  assign s_ready = level != LevelW'(Depth);
  assign m_valid = level != '0;
  assign m_data  = mem[rd_ptr];
  assign push    = s_valid && s_ready;
  assign pop     = m_valid && m_ready;

  always_ff @(posedge clk) begin
    if (push) mem[wr_ptr] <= s_data;
    if (push) wr_ptr <= (wr_ptr == Last) ? '0 : wr_ptr + 1'b1;
    if (pop)  rd_ptr <= (rd_ptr == Last) ? '0 : rd_ptr + 1'b1;
    if (push && !pop) level <= level + 1'b1;
    if (pop && !push) level <= level - 1'b1;
    if (rst) begin
      wr_ptr <= '0;
      rd_ptr <= '0;
      level  <= '0;
    end
  end
endmodule

`default_nettype wire
