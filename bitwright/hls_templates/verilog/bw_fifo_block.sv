// SPDX-License-Identifier: Apache-2.0
// bw_fifo_block: first-word-fall-through FIFO of Depth words in block RAM.
//
// The word at the head waits in the RAM's output register; `level` counts it too.
//
// Contract
//   Order       words leave in order, none lost, none repeated; at most Depth are held.
//   Stability   once m_valid is high, m_valid and m_data hold until m_ready.
//   Timing      s_ready, m_valid and m_data are functions of registers; latency 2, one word per clock for Depth >= 3.
//   Reset       synchronous, active high, clears pointers and levels; the memory keeps its content.
`default_nettype none

module bw_fifo_block #(
  parameter int Width = 8,    // payload bits, >= 1
  parameter int Depth = 1024  // words, >= 3
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

  logic [PtrW-1:0]   wr_ptr, rd_ptr;
  logic [LevelW-1:0] level;   // words held, the one at the output included
  logic              stored;  // the RAM holds a word that is not at the output
  logic              push, pop, fetch;

  initial if (Depth < 3) $fatal(1, "bw_fifo_block: Depth must be at least 3");

  assign s_ready = level != LevelW'(Depth);
  assign stored  = level > LevelW'(m_valid);
  assign push    = s_valid && s_ready;
  assign pop     = m_valid && m_ready;
  assign fetch   = stored && (m_ready || !m_valid);

  always_ff @(posedge clk) begin
    if (push)  wr_ptr <= (wr_ptr == Last) ? '0 : wr_ptr + 1'b1;
    if (fetch) rd_ptr <= (rd_ptr == Last) ? '0 : rd_ptr + 1'b1;
    if (fetch || pop) m_valid <= fetch;
    if (push && !pop) level <= level + 1'b1;
    if (pop && !push) level <= level - 1'b1;
    if (rst) begin
      wr_ptr  <= '0;
      rd_ptr  <= '0;
      level   <= '0;
      m_valid <= 1'b0;
    end
  end

  bw_ram #(.Width(Width), .Depth(Depth), .Style("block")) u_ram (
    .clk, .wr_en(push), .wr_addr(wr_ptr), .wr_data(s_data), .rd_en(fetch), .rd_addr(rd_ptr), .rd_data(m_data)
  );
endmodule

`default_nettype wire
