// SPDX-License-Identifier: Apache-2.0
// bw_mas_lane: one lane of the multiply-add-shift requantiser. Free running.
//
//   u = m*x + c;  y = u >> Shift (floor);  if (u mod 2**Shift) < window and y - Odd is odd: y -= 1
//   code = clip(y, low, high)
//
// Contract
//   Layout    k = {high, low, window, m, c}; all signed but window. Window 0 means no fix-up, and folds away.
//             What is the same in all channels is no field of k but a parameter; k is one bit if all of it is.
//   Factors   m is as Factor says (bw_pkg): a number, or a power of two, which takes no multiplier.
//   Timing    latency 3; one element per clock.
//   Widths    u fits in UW bits (the generator proves it); the product may wrap.
//   Reset     none.
`default_nettype none

module bw_mas_lane #(
  parameter int XW                          = 8,                     // signed
  parameter int MW                          = 4,                     // of the factors as numbers
  parameter int CW                          = 8,
  parameter int WinW                        = 1,
  parameter int BoundW                      = 5,                     // bits of low and high
  parameter int Factor                      = bw_pkg::Each,          // how m is said: bw_pkg
  parameter logic signed [MW-1:0] M         = '0,                    // m, if Factor is Same
  parameter bit EachOffset                  = 1'b1,                  // if not, c is
  parameter logic signed [CW-1:0] C         = '0,
  parameter bit EachWindow                  = 1'b1,                  // if not, the window is
  parameter logic [WinW-1:0] Window         = '0,
  parameter bit EachBounds                  = 1'b1,                  // if not, low and high are
  parameter logic signed [BoundW-1:0] Low   = '0,
  parameter logic signed [BoundW-1:0] High  = '0,
  parameter int UW                          = 12,                    // bits of u
  parameter int Shift                       = 4,
  parameter bit Odd                         = 1'b0,
  parameter int YW                          = 4,                     // bits of a code
  parameter int YCode                       = 1,                     // its code: bw_pkg; bipolar is 1 above 0
  parameter int KW =  // derived: do not override
    bw_pkg::k_bits(Factor, MW, EachOffset, CW, EachWindow, WinW, EachBounds, BoundW)
) (
  input  wire  logic          clk,
  input  wire  logic [XW-1:0] x,
  input  wire  logic [KW-1:0] k,
  output logic [YW-1:0]       code
);
  localparam int FactorAt = EachOffset ? CW : 0;
  localparam int WindowAt = FactorAt + bw_pkg::factor_bits(Factor, MW);
  localparam int BoundsAt = WindowAt + (EachWindow ? WinW : 0);
  localparam int ProdW    = XW + MW;
  localparam int ResW     = (Shift > 0) ? Shift : 1;
  localparam int TieW     = (ResW > WinW) ? ResW : WinW;
  localparam int Down     = (Shift < UW) ? Shift : UW - 1;  // of u >> Shift no more than the sign is left then
  localparam int CmpW     = ((UW > BoundW) ? UW : BoundW) + 1;

  logic signed [ProdW-1:0]  product;   // stage 1
  logic signed [CW-1:0]     c_1;
  logic signed [UW-1:0]     u, y;      // stage 2
  logic signed [BoundW-1:0] low, high;
  logic signed [CmpW-1:0]   rounded, clipped;
  logic                     tie, unused_high, unused_k;

  if (Factor == bw_pkg::Same) begin : gen_same
    localparam logic [MW-1:0] Size     = MW'(M[MW-1] ? -M : M);
    localparam bit            IsPower  = Size != '0 && (Size & (Size - 1'b1)) == '0;
    localparam int            Distance = $clog2(Size);
    if (!IsPower) begin : gen_product
      always_ff @(posedge clk) product <= ProdW'($signed(x)) * ProdW'(M);
    end else if (M[MW-1]) begin : gen_negative
      always_ff @(posedge clk) product <= -(ProdW'($signed(x)) <<< Distance);
    end else begin : gen_wires
      always_ff @(posedge clk) product <= ProdW'($signed(x)) <<< Distance;
    end
  end else if (Factor == bw_pkg::Each) begin : gen_each
    always_ff @(posedge clk) product <= ProdW'($signed(x)) * ProdW'($signed(k[FactorAt +: MW]));
  end else begin : gen_shifter
    localparam int DistanceW = $clog2(MW);
    logic signed [ProdW-1:0] shifted;
    assign shifted = ProdW'($signed(x)) <<< k[FactorAt +: DistanceW];
    if (Factor == bw_pkg::Shifts) begin : gen_positive
      always_ff @(posedge clk) product <= shifted;
    end else begin : gen_powers
      logic zero, negative;
      assign {negative, zero} = k[FactorAt+DistanceW +: 2];
      always_ff @(posedge clk) product <= zero ? '0 : negative ? -shifted : shifted;
    end
  end

  if (EachOffset) begin : gen_offsets
    always_ff @(posedge clk) c_1 <= k[CW-1:0];
  end else begin : gen_offset
    assign c_1 = C;
  end

  if (EachWindow || Window != '0) begin : gen_ties
    logic [ResW-1:0] residue;
    logic [WinW-1:0] window;
    assign residue = (Shift > 0) ? ResW'(u) : '0;
    assign tie     = TieW'(residue) < TieW'(window);
    if (EachWindow) begin : gen_windows
      logic [WinW-1:0] window_1;
      always_ff @(posedge clk) begin
        window_1 <= k[WindowAt +: WinW];
        window   <= window_1;
      end
    end else begin : gen_window
      assign window = Window;
    end
  end else begin : gen_no_ties
    assign tie = 1'b0;
  end

  if (EachBounds) begin : gen_bounds
    logic [2*BoundW-1:0] bounds_1;
    always_ff @(posedge clk) begin
      bounds_1    <= k[BoundsAt +: 2*BoundW];
      {high, low} <= bounds_1;
    end
  end else begin : gen_bound
    assign low  = Low;
    assign high = High;
  end

  always_ff @(posedge clk) begin
    u    <= UW'(product) + UW'(c_1);
    code <= (YCode == bw_pkg::Bipolar) ? YW'(clipped > 0) : YW'(clipped);  // stage 3
  end

  assign unused_high = ^{product, c_1, u, clipped};  // bits above the ranges that are proved
  assign unused_k    = ^k;                           // where all constants are parameters

  assign y       = u >>> Down;
  assign rounded = (tie && (y[0] != Odd)) ? CmpW'(y) - CmpW'(1) : CmpW'(y);

  always_comb begin
    clipped = rounded;
    if (rounded < CmpW'(low)) clipped = CmpW'(low);
    if (rounded > CmpW'(high)) clipped = CmpW'(high);
  end
endmodule

`default_nettype wire
