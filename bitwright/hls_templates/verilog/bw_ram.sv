// SPDX-License-Identifier: Apache-2.0
// bw_ram: simple dual-port RAM, one write port and one registered read port.
//
// Contract
//   Timing    rd_data is mem[rd_addr] one clock after rd_en and holds while rd_en is low. A word written in one
//             clock is read in the next; reading the address that is written in the same clock gives the old word.
//   Reset     none.
`default_nettype none

module bw_ram #(
  parameter int Width = 8,                               // bits of a word
  parameter int Depth = 16,                              // words, >= 1
  parameter     Style = "auto",                          // ram_style: "distributed", "block" or "auto"
  parameter int AddrW = (Depth > 1) ? $clog2(Depth) : 1  // derived: do not override
) (
  input  wire  logic             clk,
  input  wire  logic             wr_en,
  input  wire  logic [AddrW-1:0] wr_addr,
  input  wire  logic [Width-1:0] wr_data,
  input  wire  logic             rd_en,
  input  wire  logic [AddrW-1:0] rd_addr,
  output logic [Width-1:0]       rd_data
);
  initial if (Style == "") $fatal(1, "bw_ram: Style must be given");

  (* ram_style = Style *) logic [Width-1:0] mem [Depth];

  always_ff @(posedge clk) begin
    if (wr_en) mem[wr_addr] <= wr_data;
    if (rd_en) rd_data <= mem[rd_addr];
  end
endmodule

`default_nettype wire
