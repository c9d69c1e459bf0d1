// SPDX-License-Identifier: Apache-2.0
// bw_delay: a word comes out again Depth shifts after it went in.
//
// Contract
//   Timing    tap is the word of Depth shifts ago, from the clock after a shift to the next one.
//   Reset     synchronous, active high, for the pointer only: what comes out of the first Depth shifts means nothing.
`default_nettype none

module bw_delay #(
  parameter int Width = 8,
  parameter int Depth = 4  // shifts, >= 1
) (
  input  wire  logic             clk,
  input  wire  logic             rst,
  input  wire  logic             shift,
  input  wire  logic [Width-1:0] word,
  output logic [Width-1:0]       tap
);
  initial if (Depth < 1) $fatal(1, "bw_delay: Depth must be at least 1");

  if (Depth == 1) begin : gen_register
    logic unused_rst;
    assign unused_rst = rst;
    always_ff @(posedge clk) if (shift) tap <= word;
  end else begin : gen_memory
    // a ring of one word less, whose read register holds the last one
    localparam int Words = Depth - 1;
    localparam int PtrW  = (Words > 1) ? $clog2(Words) : 1;

    logic [PtrW-1:0] ptr;

    always_ff @(posedge clk) begin
      if (shift) ptr <= (ptr == PtrW'(Words - 1)) ? '0 : ptr + 1'b1;
      if (rst) ptr <= '0;
    end

    bw_ram #(.Width(Width), .Depth(Words)) u_ram (
      .clk, .wr_en(shift), .wr_addr(ptr), .wr_data(word), .rd_en(shift), .rd_addr(ptr), .rd_data(tap)
    );
  end
endmodule

`default_nettype wire
