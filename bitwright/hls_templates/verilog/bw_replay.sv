// SPDX-License-Identifier: Apache-2.0
// bw_replay: passes a vector of Words words on and keeps it, to give it again Times - 1 times.
//
// Contract
//   Order     while fresh, `word` is s_data, and it is stored at index; else it is what was stored at index.
//   Timing    word follows go by one clock; one word per clock.
//   Reset     none: what is read was written before, in the same vector.
`default_nettype none

module bw_replay #(
  parameter int Width = 8,
  parameter int Words = 4,
  parameter int Times = 2,
  parameter int AddrW = (Words > 1) ? $clog2(Words) : 1  // derived: do not override
) (
  input  wire  logic             clk,
  input  wire  logic             go,
  input  wire  logic             fresh,
  input  wire  logic [AddrW-1:0] index,
  input  wire  logic [Width-1:0] s_data,
  output logic [Width-1:0]       word
);
  logic [Width-1:0] direct;

  always_ff @(posedge clk) direct <= s_data;

  if (Times == 1) begin : gen_pass
    logic unused_control;
    assign unused_control = ^{go, fresh, index};
    assign word = direct;
  end else begin : gen_store
    logic             fresh_q;
    logic [Width-1:0] stored;

    always_ff @(posedge clk) fresh_q <= fresh;
    assign word = fresh_q ? direct : stored;

    bw_ram #(.Width(Width), .Depth(Words)) u_ram (
      .clk, .wr_en(go && fresh), .wr_addr(index), .wr_data(s_data),
      .rd_en(go && !fresh), .rd_addr(index), .rd_data(stored)
    );
  end
endmodule

`default_nettype wire
