// SPDX-License-Identifier: Apache-2.0
// bw_rom_hex: read-only memory with registered read, its content read from a file.
//
// Contract
//   Timing    word p is mem[addr p] one clock after en and holds while en is low.
//   Ports     each of the Ports addresses reads the same content; port p at addr[p*AddrW +: AddrW].
//   Reset     none.
`default_nettype none

module bw_rom_hex #(
  parameter int Words = 16,                              // >= 1
  parameter int Width = 8,                               // bits of a word
  parameter int Ports = 1,                               // words read per clock
  parameter     Style = "auto",                          // rom_style: "block" or "auto"
  parameter     File  = "",                              // one word per line in hex, word 0 first
  parameter int AddrW = (Words > 1) ? $clog2(Words) : 1  // derived: do not override
) (
  input  wire  logic                   clk,
  input  wire  logic                   en,
  input  wire  logic [Ports*AddrW-1:0] addr,
  output logic [Ports*Width-1:0]       word
);
  initial if (Style == "") $fatal(1, "bw_rom_hex: Style must be given");

  (* rom_style = Style *) logic [Width-1:0] mem [Words];

  initial begin
    if (File != "") begin : gen_init
      $readmemh(File, mem);
    end
  end

  for (genvar p = 0; p < Ports; p++) begin : gen_port
    always_ff @(posedge clk) if (en) word[p*Width +: Width] <= mem[addr[p*AddrW +: AddrW]];
  end
endmodule

`default_nettype wire
