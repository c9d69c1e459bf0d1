// SPDX-License-Identifier: Apache-2.0
// bw_mac: PE dot products of SIMD elements each, accumulated over the beats of a fold, in one of four styles.
//
//   acc[p] = sum over the beats since in_first of  sum_s  w[p][s] * x[s]
//
//   Lut       A product is a sum of x at the places of the weight's ones, less x at the sign's place: a form that every
//             tool keeps in logic. A `*` would become a DSP slice in tools that know no attribute against it.
//   Ternary   Weights are -1, 0 and 1: a product is -x, 0 or x.
//   Dsp       Lanes neighbouring p share a multiplier: they meet the same x[s].
//   Xnor      A bit is 0 for -1, 1 for +1: a product is +1 where two agree. Bits that agree are counted in threes, two
//             look-up tables each; a last group of one or two counts only its own.
//
//   Dsp and Xnor give Offset more than a product. The accumulators start at -Cols*Offset, so that a fold ends without
//   it; or, if folds differ, each beat ends so.
//
// Contract
//   Layout    element 0 in the least significant bits; w is row major, [p][s] at ((p*SIMD)+s)*WW.
//   Needs     Ternary: no weight is -2. Dsp: Lanes, Stride, PackW and Bias are as bw_packed_product needs them.
//   Timing    acc is the sum up to a beat mac_latency(Style, SIMD) clocks after it; one beat per clock; never stalls.
//   Reset     none: the flow control around it counts what is in flight.
//   Widths    sums are modulo 2**AccW: exact whenever the result of a fold fits, whatever the partial sums do.
`default_nettype none

module bw_mac #(
  parameter int Style  = 0,   // how it multiplies: bw_pkg
  parameter int PE     = 2,
  parameter int SIMD   = 4,
  parameter int XW     = 4,   // bits of an input element
  parameter int XCode  = 0,   // its code: bw_pkg
  parameter int WW     = 4,   // bits of a weight
  parameter int WCode  = 1,   // its code: bw_pkg
  parameter int AccW   = 12,
  parameter int Cols   = 8,   // products of a fold, 0 if folds differ
  parameter int Lanes  = 1,   // Dsp: products of one multiplier
  parameter int Stride = 16,  // Dsp: bits of one of them
  parameter int PackW  = 4,   // Dsp: bits of the packed weights
  parameter logic [Stride-1:0] Bias = {1'b1, {(Stride-1){1'b0}}}  // Dsp: makes every product 0 or more
) (
  input  wire  logic                  clk,
  input  wire  logic                  in_valid,
  input  wire  logic                  in_first,  // first beat of a fold: the sum restarts
  input  wire  logic [SIMD*XW-1:0]    in_x,
  input  wire  logic [PE*SIMD*WW-1:0] in_w,
  output logic [PE*AccW-1:0]          acc
);
  localparam bit IsTernary = Style == bw_pkg::Ternary;
  localparam bit IsDsp     = Style == bw_pkg::Dsp;
  localparam bit IsXnor    = Style == bw_pkg::Xnor;
  localparam int XValW     = IsTernary ? XW + 1 : bw_pkg::decoded_bits(XCode, XW);  // holds -x too
  localparam int WValW     = IsTernary ? 2 : bw_pkg::decoded_bits(WCode, WW);
  localparam int N         = bw_pkg::mac_terms(Style, SIMD);
  localparam int TermW     = bw_pkg::term_bits(Style, XValW, WValW, Stride);
  localparam logic [AccW-1:0] Offset = IsDsp ? AccW'(Bias) : AccW'(IsXnor);
  localparam logic [AccW-1:0] Start  = AccW'(0) - AccW'(Cols) * Offset;
  localparam logic [AccW-1:0] Each   = (Cols == 0) ? AccW'(0) - AccW'(SIMD) * Offset : '0;

  logic [SIMD*XValW-1:0]    x;
  logic [PE*SIMD*WValW-1:0] w;
  logic [PE*N*TermW-1:0]    terms;
  logic [1:0]               valid, first;  // bit i: of the beat that is i + 1 clocks in; Dsp takes two more

  initial if (IsTernary && WW > 2) $fatal(1, "bw_mac: a ternary weight has one or two bits");
  initial if (IsXnor && XW + WW > 2) $fatal(1, "bw_mac: a bipolar element has one bit");

  bw_decode #(.Lanes(SIMD), .W(XW), .Code(XCode), .OutW(XValW)) u_x (.coded(in_x), .value(x));
  bw_decode #(.Lanes(PE * SIMD), .W(WW), .Code(WCode), .OutW(WValW)) u_w (.coded(in_w), .value(w));

  if (Style == bw_pkg::Lut) begin : gen_lut
    for (genvar i = 0; i < PE * SIMD; i++) begin : gen_product
      logic [WValW-1:0] weight;
      logic [TermW-1:0] value, sum, product;

      assign weight = w[i*WValW +: WValW];
      assign value  = TermW'($signed(x[(i%SIMD)*XValW +: XValW]));

      always_comb begin
        sum = '0;
        for (int b = 0; b < WValW - 1; b++) sum = sum + (weight[b] ? value << b : '0);
        sum = sum - (weight[WValW-1] ? value << (WValW - 1) : '0);
      end
      always_ff @(posedge clk) product <= sum;
      assign terms[i*TermW +: TermW] = product;
    end
  end else if (IsTernary) begin : gen_ternary
    for (genvar i = 0; i < PE * SIMD; i++) begin : gen_product
      logic             nonzero, negative;
      logic [TermW-1:0] kept, term;

      assign {negative, nonzero} = w[2*i +: 2];
      assign kept                = (x[(i%SIMD)*TermW +: TermW] ^ {TermW{negative}}) & {TermW{nonzero}};

      always_ff @(posedge clk) term <= kept + TermW'(negative);
      assign terms[i*TermW +: TermW] = term;
    end
  end else if (IsDsp) begin : gen_dsp
    localparam int Groups = (PE + Lanes - 1) / Lanes;
    localparam int All    = Groups * Lanes * SIMD;  // products, the last group filled up with zeros
    logic [All*WValW-1:0] all_w;
    logic [All*TermW-1:0] all_terms;
    logic                 unused_lanes;

    assign all_w        = (All * WValW)'(w);
    assign terms        = all_terms[PE*SIMD*TermW-1:0];
    assign unused_lanes = ^all_terms;

    for (genvar i = 0; i < Groups * SIMD; i++) begin : gen_product
      logic [Lanes*WValW-1:0]  lane_w;
      logic [Lanes*Stride-1:0] lane_out;

      bw_packed_product #(.Lanes(Lanes), .WW(WValW), .XW(XValW), .Stride(Stride), .PackW(PackW), .Bias(Bias)) u_mul (
        .clk, .w(lane_w), .x(x[(i%SIMD)*XValW +: XValW]), .out(lane_out)
      );

      for (genvar l = 0; l < Lanes; l++) begin : gen_lane
        localparam int Place = (i / SIMD * Lanes + l) * SIMD + i % SIMD;
        assign lane_w[l*WValW +: WValW]        = all_w[Place*WValW +: WValW];
        assign all_terms[Place*TermW +: TermW] = {1'b0, lane_out[l*Stride +: Stride]};
      end
    end
  end else begin : gen_xnor
    logic unused_values;  // a bit says it all
    assign unused_values = ^{x, w};

    for (genvar p = 0; p < PE; p++) begin : gen_pe
      logic [SIMD-1:0] same;
      logic [3*N-1:0]  agree;
      assign same  = ~(in_w[p*SIMD +: SIMD] ^ in_x);
      assign agree = (3 * N)'(same);

      for (genvar g = 0; g < N; g++) begin : gen_three
        logic [1:0] count;
        always_ff @(posedge clk) count <= 2'(agree[3*g]) + 2'(agree[3*g+1]) + 2'(agree[3*g+2]);
        assign terms[(p*N+g)*TermW +: TermW] = {1'b0, count, 1'b0};  // each that agrees counts 2, one of Offset
      end
    end
  end

  always_ff @(posedge clk) begin
    valid <= {valid[0], in_valid};
    first <= {first[0], in_first};
  end

  bw_accumulate #(.PE(PE), .N(N), .W(TermW), .AccW(AccW), .Start(Start), .Each(Each)) u_sum (
    .clk, .in_valid(IsDsp ? valid[1] : in_valid), .in_first(IsDsp ? first[1] : in_first), .terms, .acc
  );
endmodule

`default_nettype wire
