// SPDX-License-Identifier: Apache-2.0
// bw_decode: elements as a stream codes them to two's complement of OutW bits. Combinational.
//
//   unsigned   a zero in front: W + 1 bits
//   signed     as it is: W bits
//   bipolar    0 is -1, 1 is +1: two bits
//
// A wider OutW extends the sign; a narrower one drops bits that the generator knows to be copies of the sign.
`default_nettype none

module bw_decode #(
  parameter int Lanes = 4,
  parameter int W     = 4,                             // bits of a coded element
  parameter int Code  = 0,                             // bw_pkg: Unsigned, Signed or Bipolar
  parameter int OutW  = bw_pkg::decoded_bits(Code, W)  // bits of a value
) (
  input  wire  logic [Lanes*W-1:0] coded,
  output logic [Lanes*OutW-1:0]    value
);
  logic unused_high;

  initial if (Code == bw_pkg::Bipolar && W != 1) $fatal(1, "bw_decode: a bipolar element has one bit");

  assign unused_high = ^coded;

  for (genvar i = 0; i < Lanes; i++) begin : gen_lane
    if (Code == bw_pkg::Unsigned) begin : gen_unsigned
      assign value[i*OutW +: OutW] = OutW'(coded[i*W +: W]);
    end else if (Code == bw_pkg::Signed) begin : gen_signed
      assign value[i*OutW +: OutW] = OutW'($signed(coded[i*W +: W]));
    end else begin : gen_bipolar
      assign value[i*OutW +: OutW] = OutW'($signed({!coded[i], 1'b1}));
    end
  end
endmodule

`default_nettype wire
