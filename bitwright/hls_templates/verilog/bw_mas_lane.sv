// SPDX-License-Identifier: Apache-2.0
// bw_mas_lane: one lane of the multiply-add-shift requantiser. Free running.
//
//   u = m*x + c;  y = u >> Shift (floor);  if (u mod 2**Shift) < window and y - Odd is odd: y -= 1
//   code = clip(y, low, high)
//
// Contract
//   Layout    k = {high, low, window, c, m}; all signed but window. Window 0 means no fix-up, and folds away.
//   Timing    latency 3; one element per clock.
//   Widths    u fits in UW bits (the generator proves it); the product may wrap.
//   Reset     none.
`default_nettype none

module bw_mas_lane #(
  parameter int XW     = 8,                              // signed
  parameter int MW     = 4,
  parameter int CW     = 8,
  parameter int WinW   = 1,
  parameter int BoundW = 5,                              // bits of low and high
  parameter int UW     = 12,                             // bits of u
  parameter int Shift  = 4,
  parameter bit Odd    = 1'b0,
  parameter int YW     = 4,                              // bits of a code
  parameter int YCode  = 1,                              // its code: bw_pkg; bipolar is 1 where it is above 0
  parameter int KW     = MW + CW + WinW + 2 * BoundW     // derived: do not override
) (
  input  wire  logic          clk,
  input  wire  logic [XW-1:0] x,
  input  wire  logic [KW-1:0] k,
  output logic [YW-1:0]       code
);
  localparam int ProdW = XW + MW;
  localparam int Down  = (Shift < UW) ? Shift : UW - 1;     // of u >> Shift no more than the sign is left then
  localparam int ResW  = (Shift > 0) ? Shift : 1;
  localparam int TieW  = (ResW > WinW) ? ResW : WinW;
  localparam int RestW = WinW + 2 * BoundW;                 // {high, low, window}
  localparam int CmpW  = ((UW > BoundW) ? UW : BoundW) + 1;

  logic signed [ProdW-1:0]  product;   // stage 1
  logic signed [CW-1:0]     c_1;
  logic [RestW-1:0]         rest_1, rest_2;
  logic signed [UW-1:0]     u, y;      // stage 2
  logic [ResW-1:0]          residue;
  logic signed [BoundW-1:0] low, high;
  logic signed [CmpW-1:0]   rounded, clipped;
  logic                     tie, unused_high;

  always_ff @(posedge clk) begin
    product <= ProdW'($signed(x)) * ProdW'($signed(k[MW-1:0]));
    c_1     <= k[MW +: CW];
    rest_1  <= k[MW+CW +: RestW];
    u       <= UW'(product) + UW'(c_1);
    rest_2  <= rest_1;
    code    <= (YCode == bw_pkg::Bipolar) ? YW'(clipped > 0) : YW'(clipped);  // stage 3
  end

  assign unused_high = ^{product, c_1, clipped};  // bits above the ranges that are proved

  assign y       = u >>> Down;
  assign residue = (Shift > 0) ? ResW'(u) : '0;
  assign tie     = TieW'(residue) < TieW'(rest_2[WinW-1:0]);
  assign low     = rest_2[WinW +: BoundW];
  assign high    = rest_2[WinW+BoundW +: BoundW];
  assign rounded = (tie && (y[0] != Odd)) ? CmpW'(y) - CmpW'(1) : CmpW'(y);

  always_comb begin
    clipped = rounded;
    if (rounded < CmpW'(low)) clipped = CmpW'(low);
    if (rounded > CmpW'(high)) clipped = CmpW'(high);
  end
endmodule

`default_nettype wire
