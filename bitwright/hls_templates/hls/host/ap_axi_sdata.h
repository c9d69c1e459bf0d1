// SPDX-License-Identifier: Apache-2.0
// ap_axi_sdata.h: one transfer of an AXI4-Stream for C simulation with a plain compiler. Never for synthesis.
#pragma once

#include <ap_int.h>

// The side channels TUSER, TID and TDEST are not used: their widths must be 0.
template <int DataBits, int UserBits, int IdBits, int DestBits>
struct ap_axiu {
  static_assert(UserBits == 0 && IdBits == 0 && DestBits == 0, "only TDATA, TKEEP, TSTRB and TLAST are modelled");
  ap_uint<DataBits> data;
  ap_uint<DataBits / 8> keep;
  ap_uint<DataBits / 8> strb;
  ap_uint<1> last;
};
