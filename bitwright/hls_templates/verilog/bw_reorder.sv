// SPDX-License-Identifier: Apache-2.0
// bw_reorder: a frame in another order, by a list of addresses; two frame buffers.
//
// One buffer is filled while the other is read, so the next frame enters while this one leaves.
//
// Contract
//   Order       k_word is word k_addr of the ROM one clock after k_en, one word per output beat: {fill, address}.
//               With fill the beat is Fill in every lane, else input beat `address` of the frame.
//   Timing      one beat in and out per clock; m_valid rises 4 clocks after the last beat of a frame was taken.
//   Paths       s_ready and m_valid are functions of registers; the memories run freely behind credits.
//   Reset       synchronous, active high, control only: the next beat is the first of a frame.
`default_nettype none

module bw_reorder #(
  parameter int Lanes    = 2,
  parameter int XW       = 4,
  parameter int InBeats  = 8,
  parameter int OutBeats = 8,
  parameter logic [XW-1:0] Fill = '0,
  parameter int InW      = (InBeats > 1) ? $clog2(InBeats) : 1,   // derived: do not override
  parameter int OutW     = (OutBeats > 1) ? $clog2(OutBeats) : 1  // derived: do not override
) (
  input  wire  logic                clk,
  input  wire  logic                rst,
  input  wire  logic                s_valid,
  output logic                      s_ready,
  input  wire  logic [Lanes*XW-1:0] s_data,
  output logic                      k_en,
  output logic [OutW-1:0]           k_addr,
  input  wire  logic [InW:0]        k_word,
  output logic                      m_valid,
  input  wire  logic                m_ready,
  output logic [Lanes*XW-1:0]       m_data
);
  logic                free, write, in_last, out_last, fill, fill_q;
  logic                wr_buffer, rd_buffer, rd_buffer_q;
  logic [1:0]          full;       // buffers that hold a whole frame
  logic [InW-1:0]      wr_index, rd_index;
  logic [Lanes*XW-1:0] stored;

  assign {fill, rd_index} = k_word;
  assign s_ready  = !full[wr_buffer];
  assign write    = s_valid && s_ready;
  assign in_last  = wr_index == InW'(InBeats - 1);
  assign out_last = k_addr == OutW'(OutBeats - 1);
  assign k_en     = free && full[rd_buffer];

  always_ff @(posedge clk) begin
    if (write) wr_index <= in_last ? '0 : wr_index + 1'b1;
    if (k_en) k_addr <= out_last ? '0 : k_addr + 1'b1;
    if (write && in_last) wr_buffer <= !wr_buffer;
    if (k_en && out_last) rd_buffer <= !rd_buffer;
    if (write && in_last) full[wr_buffer] <= 1'b1;
    if (k_en && out_last) full[rd_buffer] <= 1'b0;  // its last word is read in the next clock
    rd_buffer_q <= rd_buffer;
    fill_q      <= fill;
    if (rst) begin
      wr_index  <= '0;
      k_addr    <= '0;
      wr_buffer <= 1'b0;
      rd_buffer <= 1'b0;
      full      <= '0;
    end
  end

  bw_ram #(.Width(Lanes * XW), .Depth(2 ** (InW + 1))) u_ram (
    .clk, .wr_en(write), .wr_addr({wr_buffer, wr_index}), .wr_data(s_data),
    .rd_en(!fill), .rd_addr({rd_buffer_q, rd_index}), .rd_data(stored)
  );
  bw_credit_pipe #(.Width(Lanes * XW), .Latency(2), .Depth(4)) u_flow (
    .clk, .rst, .free, .take(k_en), .result(fill_q ? {Lanes{Fill}} : stored), .m_valid, .m_ready, .m_data
  );
endmodule

`default_nettype wire
