// SPDX-License-Identifier: Apache-2.0
// bw_rom.hpp: what a large constant table is made of. For synthesis: the elements themselves. A plain compiler finds
// the file of the same name in host/ first, whose elements it compiles ten times as fast.
#pragma once

namespace bw {

template <typename T>
using Rom = T;

}  // namespace bw
