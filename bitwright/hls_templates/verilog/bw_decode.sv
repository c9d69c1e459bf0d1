// SPDX-License-Identifier: Apache-2.0
// bw_decode: elements as a stream codes them to two's complement of OutW bits. Combinational.
//
//   unsigned   a zero in front: W + 1 bits
//   signed     as it is: W bits
//   bipolar    0 is -1, 1 is +1: two bits
`default_nettype none

module bw_decode #(
  parameter int Lanes = 4,
  parameter int W     = 4,                             // bits of a coded element
  parameter int Code  = 0,                             // bw_pkg: Unsigned, Signed or Bipolar
  parameter int OutW  = bw_pkg::decoded_bits(Code, W)  // derived: do not override
) (
  input  wire  logic [Lanes*W-1:0] coded,
  output logic [Lanes*OutW-1:0]    value
);
  initial if (Code == bw_pkg::Bipolar && W != 1) $fatal(1, "bw_decode: a bipolar element has one bit");

  for (genvar i = 0; i < Lanes; i++) begin : gen_lane
    if (Code == bw_pkg::Unsigned) begin : gen_unsigned
      assign value[i*OutW +: OutW] = {1'b0, coded[i*W +: W]};
    end else if (Code == bw_pkg::Signed) begin : gen_signed
      assign value[i*OutW +: OutW] = coded[i*W +: W];
    end else begin : gen_bipolar
      assign value[i*OutW +: OutW] = {!coded[i], 1'b1};
    end
  end
endmodule

`default_nettype wire
