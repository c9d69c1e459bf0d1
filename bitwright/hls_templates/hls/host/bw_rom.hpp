// SPDX-License-Identifier: Apache-2.0
// bw_rom.hpp: an element of a large constant table for a plain compiler: an aggregate of one native integer. A class
// with a constructor would cost the compiler ten times the time and memory for each element. Never for synthesis.
#pragma once

#include "bw_stream.hpp"

namespace bw {

template <typename T>
struct Rom {
  typename T::Value number;
  operator T() const { return T::fitting(number); }
};

template <>
struct Rom<Bipolar> {
  ap_uint<1>::Value bit;
  operator Bipolar() const { return Bipolar{ap_uint<1>::fitting(bit)}; }
};

}  // namespace bw
