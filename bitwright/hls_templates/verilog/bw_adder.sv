// SPDX-License-Identifier: Apache-2.0
// bw_adder: lane by lane the sum of Operands streams, each times a constant.
//
//   y = sum over k of  f[k][channel] * x[k]
//
// Contract
//   Layout      operand k has s_valid[k], s_ready[k] and s_data[k*Lanes*XW +: Lanes*XW], signed elements.
//   Channels    lane i of beat b is channel (b mod Folds)*Lanes + i.
//   Factors     of operand k the same in all channels, at k*FW of Factors, no multiplier if it is a power of two or its
//               negative; or, with bit k of EachFactor, one for each channel. Bit k of Powers or Shifts says that these
//               are powers of two too: no multiplier, but a shifter.
//   Constants   k_word is word k_addr of the ROM one clock after k_en, one word per fold, what the factor of operand k
//               in lane i is at (i*Operands+k)*FW: a signed number; with Powers {negative, zero, distance}, with Shifts
//               the distance alone; what Factors says is not looked at there.
//   Timing      one beat of each operand per clock; m_valid rises tree_latency(Operands) + 3 clocks after the last.
//   Paths       s_ready is high when all operands are valid and there is a credit; no path from m_ready.
//   Widths      products fit in ProdW bits (the generator proves it); sums are modulo 2**YW, exact where they fit.
//   Reset       synchronous, active high, control only: the next beat is fold 0.
`default_nettype none

module bw_adder #(
  parameter int Operands                    = 2,
  parameter int Lanes                       = 2,
  parameter int Folds                       = 2,
  parameter int XW                          = 5,                   // bits of an operand, signed
  parameter int FW                          = 2,                   // bits of a factor, signed
  parameter logic [Operands*FW-1:0] Factors = '0,
  parameter bit [Operands-1:0] EachFactor   = '1,
  parameter bit [Operands-1:0] Powers       = '0,                  // Shifts: where some are 0 or negative
  parameter bit [Operands-1:0] Shifts       = '0,                  // Shifts: where none is
  parameter int DistanceW                   = 1,                   // Shifts: bits of a distance
  parameter int ProdW                       = 7,                   // bits of a product, signed
  parameter int YW                          = 6,                   // bits of a sum
  parameter int AddrW = (Folds > 1) ? $clog2(Folds) : 1  // derived: do not override
) (
  input  wire  logic                         clk,
  input  wire  logic                         rst,
  input  wire  logic [Operands-1:0]          s_valid,
  output logic [Operands-1:0]                s_ready,
  input  wire  logic [Operands*Lanes*XW-1:0] s_data,
  output logic                               k_en,
  output logic [AddrW-1:0]                   k_addr,
  input  wire  logic [Lanes*Operands*FW-1:0] k_word,
  output logic                               m_valid,
  input  wire  logic                         m_ready,
  output logic [Lanes*YW-1:0]                m_data
);
  localparam int Levels  = bw_pkg::tree_latency(Operands);
  localparam int Latency = Levels + 2;  // the input register, the products, the tree
  localparam int SumW    = ProdW + 2 * Levels;

  logic                         free;
  logic [Operands*Lanes*XW-1:0] x;
  logic [Lanes*YW-1:0]          sums;
  logic                         unused_factors;

  assign unused_factors = ^k_word;  // where no operand has its own

  assign k_en    = free && (&s_valid);
  assign s_ready = {Operands{k_en}};

  always_ff @(posedge clk) begin
    x <= s_data;
    if (k_en) k_addr <= (k_addr == AddrW'(Folds - 1)) ? '0 : k_addr + 1'b1;
    if (rst) k_addr <= '0;
  end

  for (genvar i = 0; i < Lanes; i++) begin : gen_lane
    logic [Operands*ProdW-1:0] products;
    logic signed [SumW-1:0]    sum;
    logic                      unused_high;

    for (genvar k = 0; k < Operands; k++) begin : gen_operand
      localparam logic signed [FW-1:0] F        = Factors[k*FW +: FW];
      localparam logic [FW-1:0]        Size     = FW'(F[FW-1] ? -F : F);
      localparam bit                   IsPower  = Size != '0 && (Size & (Size - 1'b1)) == '0;
      localparam int                   Distance = $clog2(Size);
      logic signed [ProdW-1:0] value, product;

      assign value                      = ProdW'($signed(x[(k*Lanes+i)*XW +: XW]));
      assign products[k*ProdW +: ProdW] = product;

      if (Powers[k] || Shifts[k]) begin : gen_shifter
        localparam int At = (i * Operands + k) * FW;
        logic signed [ProdW-1:0] shifted;
        assign shifted = value <<< k_word[At +: DistanceW];
        if (Shifts[k]) begin : gen_positive
          always_ff @(posedge clk) product <= shifted;
        end else begin : gen_powers
          logic zero, negative;
          assign {negative, zero} = k_word[At+DistanceW +: 2];
          always_ff @(posedge clk) product <= zero ? '0 : negative ? -shifted : shifted;
        end
      end else if (EachFactor[k]) begin : gen_each
        always_ff @(posedge clk) product <= value * ProdW'($signed(k_word[(i*Operands+k)*FW +: FW]));
      end else if (!IsPower) begin : gen_same
        always_ff @(posedge clk) product <= value * ProdW'(F);
      end else if (F[FW-1]) begin : gen_negative
        always_ff @(posedge clk) product <= -(value <<< Distance);
      end else begin : gen_wires
        always_ff @(posedge clk) product <= value <<< Distance;
      end
    end

    bw_adder_tree #(.N(Operands), .W(ProdW)) u_tree (.clk, .operands(products), .sum);
    assign unused_high      = ^sum;  // bits above YW cancel
    assign sums[i*YW +: YW] = YW'(sum);
  end

  bw_credit_pipe #(.Width(Lanes * YW), .Latency(Latency), .Depth(Latency + 2)) u_flow (
    .clk, .rst, .free, .take(k_en), .result(sums), .m_valid, .m_ready, .m_data
  );
endmodule

`default_nettype wire
