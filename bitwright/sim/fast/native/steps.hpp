// SPDX-License-Identifier: Apache-2.0
// One step of a program: it reads tensors of a chunk of samples and writes one.
#pragma once

#include <algorithm>
#include <utility>

#include "tails.hpp"

namespace bw {

class Step {
public:
    virtual ~Step() = default;
    virtual void run(const Arena& arena, i64 samples) const = 0;
};

}  // namespace bw
