// SPDX-License-Identifier: Apache-2.0
// How a tensor lies in memory: rows of pixels of channels, in the narrowest type that holds its codes, with a border
// of padding around each image where a convolution wants one.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>
#include <vector>

namespace bw {

using i64 = std::int64_t;

enum class Kind : int { U8 = 0, I16 = 1, I32 = 2, I64 = 3 };

inline i64 size_of(Kind kind) { return i64{1} << int(kind); }

// Calls `action` with a pointer to null of the C++ type of `kind`.
template <class Action>
inline void with_type(Kind kind, Action action) {
    switch (kind) {
        case Kind::U8: return action(static_cast<std::uint8_t*>(nullptr));
        case Kind::I16: return action(static_cast<std::int16_t*>(nullptr));
        case Kind::I32: return action(static_cast<std::int32_t*>(nullptr));
        case Kind::I64: return action(static_cast<i64*>(nullptr));
    }
}

struct Tensor {
    Kind kind;
    i64 base;                    // code = stored + base
    i64 rows, columns, channels;
    i64 top, left, bottom, right;  // the border, in pixels
    i64 fill;                    // the code in the border

    i64 pixels() const { return rows * columns; }
    i64 row() const { return (columns + left + right) * channels; }             // elements of a row with its border
    i64 sample() const { return (rows + top + bottom) * row(); }                // elements of a sample
    i64 at(i64 y, i64 x) const { return (y + top) * row() + (x + left) * channels; }  // first element of a pixel
    i64 bytes() const { return sample() * size_of(kind); }
    i64 place(i64 pixel) const { return at(pixel / columns, pixel % columns); }
};

// Memory of one thread: every tensor of a chunk of samples.
class Arena {
public:
    static constexpr i64 SLACK = 128;  // bytes that a vector may read beyond the last element

    Arena(const std::vector<Tensor>& tensors, i64 samples) {
        i64 total = SLACK;
        for (const Tensor& tensor : tensors) total += rounded(tensor.bytes() * samples);
        memory_ = static_cast<char*>(std::aligned_alloc(64, std::size_t(rounded(total))));
        if (memory_ == nullptr) throw std::bad_alloc();
        std::memset(memory_, 0, std::size_t(rounded(total)));
        i64 at = 0;
        for (const Tensor& tensor : tensors) {
            starts_.push_back(memory_ + at);
            at += rounded(tensor.bytes() * samples);
            if (tensor.top + tensor.left + tensor.bottom + tensor.right > 0) pad(tensor, starts_.back(), samples);
        }
    }
    ~Arena() { std::free(memory_); }
    Arena(const Arena&) = delete;
    Arena& operator=(const Arena&) = delete;

    template <class T>
    T* of(int tensor) const {
        return reinterpret_cast<T*>(starts_[std::size_t(tensor)]);
    }

private:
    static i64 rounded(i64 bytes) { return (bytes + SLACK + 63) / 64 * 64; }

    // Everything is filled once; no step writes the border again.
    static void pad(const Tensor& tensor, char* start, i64 samples) {
        with_type(tensor.kind, [&](auto* type) {
            using T = std::remove_reference_t<decltype(*type)>;
            T* values = reinterpret_cast<T*>(start);
            for (i64 i = 0; i < tensor.sample() * samples; ++i) values[i] = T(tensor.fill - tensor.base);
        });
    }

    char* memory_;
    std::vector<char*> starts_;
};

}  // namespace bw
