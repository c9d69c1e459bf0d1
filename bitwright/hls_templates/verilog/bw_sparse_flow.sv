// SPDX-License-Identifier: Apache-2.0
// bw_sparse_flow: what every matrix-vector unit that skips zeros has around its arithmetic: schedule, vector, flow.
//
// A vector of ColFold beats is stored while the one before it is used. A list of Words words says which beat each port
// reads in each clock; after the last word of each row fold one result leaves.
//
// Contract
//   Schedule    k_word is word k_addr of its ROM one clock after k_en: {end, beat of the last port, .., of port 0};
//               `end`: the next word is the last of its fold, where the next of the last word is word 0. FirstLast
//               says it of word 0.
//   Weights     w_en asks for word w_addr of the ROM; the words are those of the schedule.
//   Arithmetic  x_valid marks the beats x_data, one clock after their w_en; x_first the first of a fold. acc is the sum
//               up to a word Latency clocks after its k_en.
//   Timing      max(ColFold, Words) clocks for each vector, no bubble between folds or vectors; m_valid rises
//               Latency + 1 clocks after the k_en of the last word of a fold; the first k_en of a vector follows its
//               last beat by one clock.
//   Needs       Depth places for results: as many as end within Latency + 2 clocks, and one more.
//   Paths       s_ready and m_valid are functions of registers, k_en of registers and k_word; the arithmetic runs
//               freely behind credits.
//   Reset       synchronous, active high, control only: the next beat is the first of a vector.
`default_nettype none

module bw_sparse_flow #(
  parameter int ColFold = 2,
  parameter int Words   = 3,
  parameter int Ports   = 1,
  parameter int BeatW   = 16,  // bits of an input beat
  parameter int ResultW = 24,  // bits of a result
  parameter int Latency = 4,   // from a word to its sum
  parameter int Depth   = 4,   // results on the way or waiting
  parameter logic FirstLast = 1'b0,
  parameter int ColW    = (ColFold > 1) ? $clog2(ColFold) : 1,  // derived: do not override
  parameter int AddrW   = (Words > 1) ? $clog2(Words) : 1       // derived: do not override
) (
  input  wire  logic                   clk,
  input  wire  logic                   rst,
  input  wire  logic                   s_valid,
  output logic                         s_ready,
  input  wire  logic [BeatW-1:0]       s_data,
  output logic                         k_en,
  output logic [AddrW-1:0]             k_addr,
  input  wire  logic [Ports*ColW:0]    k_word,
  output logic                         w_en,
  output logic [AddrW-1:0]             w_addr,
  output logic                         x_valid,
  output logic                         x_first,
  output logic [Ports*BeatW-1:0]       x_data,
  input  wire  logic [ResultW-1:0]     acc,
  output logic                         m_valid,
  input  wire  logic                   m_ready,
  output logic [ResultW-1:0]           m_data
);
  logic            free, write, in_last, vector_last;
  logic            wr_buffer, rd_buffer, rd_buffer_q;
  logic [1:0]      full;           // buffers that hold a whole vector
  logic [ColW-1:0] wr_index;
  logic            listed;         // k_word is the word before this one
  logic            last, fresh, fresh_q;

  assign s_ready     = !full[wr_buffer];
  assign write       = s_valid && s_ready;
  assign in_last     = wr_index == ColW'(ColFold - 1);
  assign last        = listed ? k_word[Ports*ColW] : FirstLast;  // this word completes a sum
  assign vector_last = k_addr == AddrW'(Words - 1);
  assign k_en        = full[rd_buffer] && (free || !last);

  always_ff @(posedge clk) begin
    if (write) wr_index <= in_last ? '0 : wr_index + 1'b1;
    if (write && in_last) wr_buffer <= !wr_buffer;
    if (k_en) begin
      k_addr <= vector_last ? '0 : k_addr + 1'b1;
      listed <= 1'b1;
      fresh  <= last;
    end
    if (k_en && vector_last) rd_buffer <= !rd_buffer;
    if (write && in_last) full[wr_buffer] <= 1'b1;
    if (k_en && vector_last) full[rd_buffer] <= 1'b0;  // its last word is read in the next clock
    w_en        <= k_en;
    w_addr      <= k_addr;
    rd_buffer_q <= rd_buffer;
    fresh_q     <= fresh;
    x_valid     <= w_en;
    x_first     <= fresh_q;
    if (rst) begin
      wr_index  <= '0;
      wr_buffer <= 1'b0;
      k_addr    <= '0;
      listed    <= 1'b0;
      fresh     <= 1'b1;
      rd_buffer <= 1'b0;
      full      <= '0;
    end
  end

  for (genvar p = 0; p < Ports; p++) begin : gen_port
    bw_ram #(.Width(BeatW), .Depth(2 ** (ColW + 1))) u_ram (
      .clk, .wr_en(write), .wr_addr({wr_buffer, wr_index}), .wr_data(s_data),
      .rd_en(1'b1), .rd_addr({rd_buffer_q, k_word[p*ColW +: ColW]}), .rd_data(x_data[p*BeatW +: BeatW])
    );
  end
  bw_credit_pipe #(.Width(ResultW), .Latency(Latency), .Depth(Depth)) u_flow (
    .clk, .rst, .free, .take(k_en && last), .result(acc), .m_valid, .m_ready, .m_data
  );
endmodule

`default_nettype wire
