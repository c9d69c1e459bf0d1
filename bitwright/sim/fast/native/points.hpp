// SPDX-License-Identifier: Apache-2.0
// Steps that work on one element, or one pixel, at a time: sums, products, requantisers, moves, the way in and out.
#pragma once

#include "steps.hpp"

namespace bw {

// What the operands make of each element: sum_k factors[k, c] * x[k] + bias[c], or the product of two.
class Join final : public Step {
public:
    // `span` neighbours of a row are done at once; every constant, the tail's too, is there for each of them.
    Join(std::vector<int> in, int out, const std::vector<Tensor>& tensors, bool product, bool wide, i64 span,
         std::vector<i64> factors, std::vector<i64> bias, Tail tail)
        : in_(std::move(in)), out_(out), to_(tensors[std::size_t(out)]), product_(product), wide_(wide), span_(span),
          width_(span * to_.channels),
          factors_(std::move(factors)), bias_(std::move(bias)), narrow_(factors_.begin(), factors_.end()),
          tail_(std::move(tail)) {
        for (const int id : in_) from_.push_back(tensors[std::size_t(id)]);
        bytes_ = !product && !wide && in_.size() == 2 && from_[0].kind == Kind::U8 && from_[1].kind == Kind::U8;
    }

    void run(const Arena& arena, i64 samples) const override {
        with_type(to_.kind, [&](auto* type) {
            using Stored = std::remove_reference_t<decltype(*type)>;
            if (wide_) pixels<i64, Stored>(arena, samples);
            else pixels<std::int32_t, Stored>(arena, samples);
        });
    }

private:
    template <class Sum, class Stored>
    void pixels(const Arena& arena, i64 samples) const {
        std::vector<Sum> sums(static_cast<std::size_t>(width_)), bias(bias_.begin(), bias_.end());
        for (i64 sample = 0; sample < samples; ++sample)
            for (i64 pixel = 0; pixel < to_.pixels(); pixel += span_) {
                std::copy(bias.begin(), bias.end(), sums.begin());
                if constexpr (sizeof(Sum) == 4)
                    if (bytes_) {
                        both(arena, sample, pixel, sums.data());
                        tail_.one(sums.data(), arena.of<Stored>(out_) + sample * to_.sample() + to_.place(pixel), 0, width_);
                        continue;
                    }
                for (std::size_t k = 0; k < in_.size(); ++k)
                    with_type(from_[k].kind, [&](auto* type) {
                        using Code = std::remove_reference_t<decltype(*type)>;
                        const Code* x = arena.of<Code>(in_[k]) + sample * from_[k].sample() + from_[k].place(pixel);
                        operand(k, x, sums.data());
                    });
                Stored* to = arena.of<Stored>(out_) + sample * to_.sample() + to_.place(pixel);
                tail_.one(sums.data(), to, 0, width_);
            }
    }

    // The usual join, two operands of bytes, in one pass.
    void both(const Arena& arena, i64 sample, i64 pixel, std::int32_t* __restrict sums) const {
        const auto from = [&](std::size_t k) {
            return arena.of<std::uint8_t>(in_[k]) + sample * from_[k].sample() + from_[k].place(pixel);
        };
        const std::uint8_t *__restrict x = from(0), *__restrict y = from(1);
        const std::int32_t *__restrict f = narrow_.data(), *__restrict g = f + width_;
        for (i64 c = 0; c < width_; ++c) sums[c] += std::int32_t(x[c]) * f[c] + std::int32_t(y[c]) * g[c];
    }

    template <class Code, class Sum>
    void operand(std::size_t k, const Code* __restrict x, Sum* __restrict sums) const {
        if (product_) {  // bias holds -zero of the first operand, factors[1] that of the second, bases included
            for (i64 c = 0; c < width_; ++c)
                sums[c] = k == 0 ? sums[c] + Sum(x[c]) : sums[c] * (Sum(x[c]) + Sum(factors_[std::size_t(c)]));
            return;
        }
        const std::size_t at = k * std::size_t(width_);
        if constexpr (sizeof(Sum) == 4) {
            for (i64 c = 0; c < width_; ++c) sums[c] += Sum(x[c]) * narrow_[at + std::size_t(c)];
        } else {
            for (i64 c = 0; c < width_; ++c) sums[c] += Sum(x[c]) * factors_[at + std::size_t(c)];
        }
    }

    std::vector<int> in_;
    int out_;
    Tensor to_;
    bool product_, wide_, bytes_;
    i64 span_, width_;
    std::vector<i64> factors_, bias_;
    std::vector<std::int32_t> narrow_;
    std::vector<Tensor> from_;
    Tail tail_;
};

// Elements of one tensor, or of several side by side, in another order: out[i] = in[index[i]].
class Move final : public Step {
public:
    // index: (elements of a sample of out, as codes lie without a border); -1 is `fill`.
    Move(int in, int out, const Tensor& from, const Tensor& to, std::vector<i64> index, i64 channel, i64 fill)
        : in_(in), out_(out), from_(from), to_(to), fill_(fill) {
        const i64 width = i64(index.size()) / std::max<i64>(to.pixels(), 1);
        for (std::size_t i = 0; i < index.size();) {  // pieces that lie as one in both
            const i64 source = index[i], start = place(i64(i), width, channel);
            std::size_t end = i + 1;
            while (end < index.size() && place(i64(end), width, channel) == start + i64(end - i) &&
                   (source < 0 ? index[end] < 0
                               : index[end] >= 0 && element(index[end]) == element(source) + i64(end - i)))
                ++end;
            pieces_.push_back({source < 0 ? -1 : element(source), start, i64(end - i)});
            i = end;
        }
    }

    void run(const Arena& arena, i64 samples) const override {
        with_type(from_.kind, [&](auto* code) {
            using Code = std::remove_reference_t<decltype(*code)>;
            with_type(to_.kind, [&](auto* type) {
                pieces<Code, std::remove_reference_t<decltype(*type)>>(arena, samples);
            });
        });
    }

private:
    struct Piece {
        i64 from, to, length;
    };

    i64 element(i64 flat) const { return from_.place(flat / from_.channels) + flat % from_.channels; }
    i64 place(i64 flat, i64 width, i64 channel) const { return to_.place(flat / width) + channel + flat % width; }

    template <class Code, class Stored>
    void pieces(const Arena& arena, i64 samples) const {
        const i64 shift = from_.base - to_.base;
        for (i64 sample = 0; sample < samples; ++sample) {
            const Code* x = arena.of<Code>(in_) + sample * from_.sample();
            Stored* y = arena.of<Stored>(out_) + sample * to_.sample();
            for (const Piece& piece : pieces_) {
                Stored* to = y + piece.to;
                if (piece.from < 0)
                    for (i64 i = 0; i < piece.length; ++i) to[i] = Stored(fill_ - to_.base);
                else
                    for (i64 i = 0; i < piece.length; ++i) to[i] = Stored(i64(x[piece.from + i]) + shift);
            }
        }
    }

    int in_, out_;
    Tensor from_, to_;
    i64 fill_;
    std::vector<Piece> pieces_;
};

// The channel of the largest code of each pixel, the first of equals or the last.
class ArgMax final : public Step {
public:
    ArgMax(int in, int out, const Tensor& from, const Tensor& to, bool last)
        : in_(in), out_(out), from_(from), to_(to), last_(last) {}

    void run(const Arena& arena, i64 samples) const override {
        with_type(from_.kind, [&](auto* code) {
            using Code = std::remove_reference_t<decltype(*code)>;
            with_type(to_.kind, [&](auto* type) {
                using Stored = std::remove_reference_t<decltype(*type)>;
                for (i64 sample = 0; sample < samples; ++sample)
                    for (i64 pixel = 0; pixel < to_.pixels(); ++pixel) {
                        const Code* x = arena.of<Code>(in_) + sample * from_.sample() + from_.place(pixel);
                        i64 found = 0;
                        for (i64 c = 1; c < from_.channels; ++c)
                            if (x[c] > x[found] || (last_ && x[c] == x[found])) found = c;
                        arena.of<Stored>(out_)[sample * to_.sample() + to_.place(pixel)] = Stored(found - to_.base);
                    }
            });
        });
    }

private:
    int in_, out_;
    Tensor from_, to_;
    bool last_;
};

// Calls `action` with a pointer to null of the integer type of a caller: of `width` bytes, negative where it is signed.
template <class Action>
inline void with_width(int width, Action action) {
    switch (width) {
        case -1: return action(static_cast<std::int8_t*>(nullptr));
        case 1: return action(static_cast<std::uint8_t*>(nullptr));
        case -2: return action(static_cast<std::int16_t*>(nullptr));
        case 2: return action(static_cast<std::uint16_t*>(nullptr));
        case -4: return action(static_cast<std::int32_t*>(nullptr));
        case 4: return action(static_cast<std::uint32_t*>(nullptr));
        default: return action(static_cast<i64*>(nullptr));
    }
}

// The codes of a caller into a tensor.
template <class Given>
inline void enter_as(const Arena& arena, int id, const Tensor& to, const Given* codes, i64 samples) {
    with_type(to.kind, [&](auto* type) {
        using Stored = std::remove_reference_t<decltype(*type)>;
        const Stored base = Stored(to.base);  // what is taken off wraps as the stored type does
        for (i64 sample = 0; sample < samples; ++sample)
            for (i64 y = 0; y < to.rows; ++y) {
                Stored* __restrict row = arena.of<Stored>(id) + sample * to.sample() + to.at(y, 0);
                const i64 width = to.columns * to.channels;
                const Given* __restrict from = codes + (sample * to.rows + y) * width;
                for (i64 i = 0; i < width; ++i) row[i] = Stored(Stored(from[i]) - base);
            }
    });
}

inline void enter(const Arena& arena, int id, const Tensor& to, const void* codes, int width, i64 done, i64 samples) {
    with_width(width, [&](auto* type) {
        using Given = std::remove_reference_t<decltype(*type)>;
        enter_as(arena, id, to, static_cast<const Given*>(codes) + done * to.pixels() * to.channels, samples);
    });
}

// A tensor as codes of a caller.
template <class Wanted>
inline void leave_as(const Arena& arena, int id, const Tensor& from, Wanted* codes, i64 samples) {
    with_type(from.kind, [&](auto* type) {
        using Code = std::remove_reference_t<decltype(*type)>;
        for (i64 sample = 0; sample < samples; ++sample)
            for (i64 y = 0; y < from.rows; ++y) {
                const Code* __restrict row = arena.of<Code>(id) + sample * from.sample() + from.at(y, 0);
                const i64 width = from.columns * from.channels;
                Wanted* __restrict to = codes + (sample * from.rows + y) * width;
                if (sizeof(Wanted) == 1)  // what is added wraps as a byte does
                    for (i64 i = 0; i < width; ++i) to[i] = Wanted(Wanted(row[i]) + Wanted(from.base));
                else
                    for (i64 i = 0; i < width; ++i) to[i] = Wanted(i64(row[i]) + from.base);
            }
    });
}

inline void leave(const Arena& arena, int id, const Tensor& from, void* codes, int width, i64 done, i64 samples) {
    with_width(width, [&](auto* type) {
        using Wanted = std::remove_reference_t<decltype(*type)>;
        leave_as(arena, id, from, static_cast<Wanted*>(codes) + done * from.pixels() * from.channels, samples);
    });
}

}  // namespace bw
