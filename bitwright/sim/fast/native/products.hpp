// SPDX-License-Identifier: Apache-2.0
// Dense layers and convolutions: a tile of output pixels by a block of output channels at a time, in registers.
//
// What a pixel sees is a few runs of neighbouring codes: a row of the kernel, which channels-last images hold in one
// piece. Nothing is copied; the border of padding makes every run lie inside the tensor.
#pragma once

#include "steps.hpp"

namespace bw {

// Sums of P pixels by B * LANES channels. A run is `words` words long; weights lie as they are read.
template <class Element, int P, int B>
void tile(const typename Element::Code* const* pixels, const std::vector<i64>& runs, i64 words,
          const typename Element::Weight* __restrict weights, const std::int32_t* __restrict bias,
          std::int32_t* __restrict out) {
    constexpr i64 VECTOR = i64(LANES) * Element::PACKED;  // weights of one vector
    Sums sums[P][B];
    for (int b = 0; b < B; ++b)
        for (int p = 0; p < P; ++p) sums[p][b] = load(bias + b * LANES);
    for (const i64 run : runs) {
        for (i64 at = run; at < run + words * Element::PACKED; at += Element::PACKED, weights += B * VECTOR) {
            Sums w[B];
            for (int b = 0; b < B; ++b) w[b] = load(weights + b * VECTOR);
            for (int p = 0; p < P; ++p) {
                const Sums x = everywhere(word(pixels[p] + at));
                for (int b = 0; b < B; ++b) sums[p][b] = Element::add(sums[p][b], x, w[b]);
            }
        }
    }
    for (int p = 0; p < P; ++p)
        for (int b = 0; b < B; ++b) store(out + (p * B + b) * LANES, sums[p][b]);
}

// Sums of P neighbours of a row by LANES channels, for a kernel of three neighbours that moves by one pixel: a code is
// read once and multiplied by the weights of the three pixels that see it. `pitch` codes lie between two pixels.
template <class Element, int P>
void neighbours(const typename Element::Code* pixel, const std::vector<i64>& runs, i64 words, i64 pitch,
                const typename Element::Weight* __restrict weights, const std::int32_t* __restrict bias,
                std::int32_t* __restrict out) {
    constexpr i64 VECTOR = i64(LANES) * Element::PACKED;
    Sums sums[P];
    for (int p = 0; p < P; ++p) sums[p] = load(bias);
    for (const i64 run : runs) {
        const typename Element::Code* x = pixel + run;
        const i64 tap = words * VECTOR;  // from the weights of one tap to those of the next
        for (i64 word_ = 0; word_ < words; ++word_, x += Element::PACKED, weights += VECTOR) {
            const Sums first = load(weights), second = load(weights + tap), third = load(weights + 2 * tap);
            const typename Element::Code* at = x;
#pragma GCC unroll 32
            for (int p = 0; p < P + 2; ++p, at += pitch) {
                const Sums code = everywhere(word(at));
                if (p < P) sums[p] = Element::add(sums[p], code, first);
                if (p > 0 && p <= P) sums[p - 1] = Element::add(sums[p - 1], code, second);
                if (p > 1) sums[p - 2] = Element::add(sums[p - 2], code, third);
            }
        }
        weights += 2 * tap;
    }
    for (int p = 0; p < P; ++p) store(out + p * LANES, sums[p]);
}

template <class Element>
class Product final : public Step {
public:
    using Code = typename Element::Code;
    using Weight = typename Element::Weight;

    // weights: (rows, taps, depth) of int64, rows ordered by group; offsets: (pixels,) elements of the input where the
    // first tap of each output pixel lies; runs: where each run starts from there, `length` codes long;
    // of `taps * depth` weights of a row, run r holds those from r * length on.
    Product(int in, int out, const Tensor& to, i64 in_sample, i64 groups, i64 rows, const i64* weights,
            std::vector<i64> offsets, std::vector<i64> runs, i64 length, i64 group_depth, const i64* bias, Tail tail)
        : in_(in), out_(out), to_(to), in_sample_(in_sample), offsets_(std::move(offsets)), runs_(std::move(runs)),
          words_((length + Element::PACKED - 1) / Element::PACKED), pitch_(pitch(to, offsets_, length, groups, rows)),
          tail_(std::move(tail)) {
        const i64 per_group = rows / groups;
        for (i64 group = 0; group < groups; ++group)
            for (i64 row = 0; row < per_group;) {
                const i64 left = per_group - row, vectors = left > 2 * LANES ? 4 : left > LANES ? 2 : 1;
                const i64 width = std::min(left, vectors * LANES);
                add(group * per_group + row, width, vectors, group * group_depth, weights, length, bias);
                row += width;
            }
        for (i64 pixel = 0; pixel < to.pixels(); ++pixel) places_.push_back(to.place(pixel));
    }

    void run(const Arena& arena, i64 samples) const override {
        with_type(to_.kind, [&](auto* type) {
            using Stored = std::remove_reference_t<decltype(*type)>;
            for (const Block& block : blocks_) {
                if (block.vectors == 4) tiles<Stored, 6, 4>(arena, samples, block);
                else if (block.vectors == 2) tiles<Stored, 12, 2>(arena, samples, block);
                else if (pitch_ == 0) tiles<Stored, 12, 1>(arena, samples, block);
                else if (to_.columns % 16 == 0) rows<Stored, 16>(arena, samples, block);
                else rows<Stored, 8>(arena, samples, block);
            }
        });
    }

private:
    struct Block {
        i64 channel, width, vectors, shift;  // first output channel, how many, in how many vectors; first input channel
        std::vector<Weight> weights;         // (run, word, vector, lane, code of the word)
        std::vector<std::int32_t> bias;
    };

    void add(i64 channel, i64 width, i64 vectors, i64 shift, const i64* weights, i64 length, const i64* bias) {
        const i64 runs = i64(runs_.size()), lanes = vectors * LANES;
        Block block{channel, width, vectors, shift, {}, {}};
        block.weights.assign(std::size_t(runs * words_ * lanes * Element::PACKED), 0);
        block.bias.assign(std::size_t(lanes), 0);
        for (i64 lane = 0; lane < width; ++lane) {
            block.bias[std::size_t(lane)] = std::int32_t(std::uint32_t(std::uint64_t(bias[channel + lane])));
            for (i64 run = 0; run < runs; ++run)
                for (i64 k = 0; k < length; ++k) {
                    const i64 word = run * words_ + k / Element::PACKED, code = k % Element::PACKED;
                    const i64 place = (word * lanes + lane) * Element::PACKED + code;
                    block.weights[std::size_t(place)] = Weight(weights[((channel + lane) * runs + run) * length + k]);
                }
        }
        blocks_.push_back(std::move(block));
    }

    template <class Stored, int P, int B>
    void tiles(const Arena& arena, i64 samples, const Block& block) const {
        const i64 pixels = i64(places_.size()), total = samples * pixels;
        const Code* from = arena.of<Code>(in_) + block.shift;
        Stored* to = arena.of<Stored>(out_);
        alignas(64) std::int32_t sums[P * B * LANES];
        const Code* read[P];
        Stored* written[P];
        i64 pixel = 0, sample = 0;
        for (i64 done = 0; done < total; done += P) {
            const int live = int(std::min<i64>(P, total - done));
            for (int p = 0; p < P; ++p) {
                if (p < live) {
                    read[p] = from + offsets_[std::size_t(pixel)];
                    written[p] = to + places_[std::size_t(pixel)];
                    if (++pixel == pixels) {
                        pixel = 0;
                        ++sample;
                        from += in_sample_;
                        to += to_.sample();
                    }
                } else {
                    read[p] = read[0];
                }
            }
            tile<Element, P, B>(read, runs_, words_, block.weights.data(), block.bias.data(), sums);
            tail_.apply(sums, B * LANES, live, written, block.channel, block.width);
        }
    }

    template <class Stored, int P>
    void rows(const Arena& arena, i64 samples, const Block& block) const {
        alignas(64) std::int32_t sums[P * LANES];
        Stored* written[P];
        for (i64 sample = 0; sample < samples; ++sample) {
            const Code* from = arena.of<Code>(in_) + block.shift + sample * in_sample_;
            Stored* to = arena.of<Stored>(out_) + sample * to_.sample();
            for (i64 pixel = 0; pixel < i64(places_.size()); pixel += P) {
                for (int p = 0; p < P; ++p) written[p] = to + places_[std::size_t(pixel + p)];
                neighbours<Element, P>(from + offsets_[std::size_t(pixel)], runs_, words_ / 3, pitch_, block.weights.data(),
                                       block.bias.data(), sums);
                tail_.apply(sums, LANES, P, written, block.channel, block.width);
            }
        }
    }

    // The distance of two pixels, where every block is one vector wide, three neighbours are a run, and a row of the
    // output is a multiple of eight; else 0.
    static i64 pitch(const Tensor& to, const std::vector<i64>& offsets, i64 length, i64 groups, i64 rows) {
        if (groups > 1 || rows > LANES || to.columns % 8 != 0 || length % (3 * Element::PACKED) != 0) return 0;
        const i64 step = length / 3;
        for (i64 pixel = 0; pixel < to.pixels(); ++pixel)
            if (offsets[std::size_t(pixel)] != offsets[std::size_t(pixel / to.columns * to.columns)] + pixel % to.columns * step)
                return 0;
        return step;
    }

    int in_, out_;
    Tensor to_;
    i64 in_sample_;
    std::vector<i64> offsets_, runs_, places_;
    i64 words_, pitch_;
    Tail tail_;
    std::vector<Block> blocks_;
};

// Any codes by any weights, in 64-bit sums.
class Wide final : public Step {
public:
    // As `Product`; weights are kept as (group, tap and channel, row of the group).
    Wide(int in, int out, const Tensor& from, const Tensor& to, i64 groups, i64 rows, const i64* weights,
         std::vector<i64> offsets, std::vector<i64> runs, i64 length, i64 group_depth, const i64* bias, Tail tail)
        : in_(in), out_(out), from_(from), to_(to), groups_(groups), per_group_(rows / groups), length_(length),
          group_depth_(group_depth), offsets_(std::move(offsets)), runs_(std::move(runs)), bias_(bias, bias + rows),
          tail_(std::move(tail)) {
        const i64 taps = i64(runs_.size()) * length;
        weights_.resize(std::size_t(rows * taps));
        for (i64 row = 0; row < rows; ++row)
            for (i64 k = 0; k < taps; ++k)
                weights_[std::size_t((row / per_group_ * taps + k) * per_group_ + row % per_group_)] =
                    weights[row * taps + k];
        for (i64 pixel = 0; pixel < to.pixels(); ++pixel) places_.push_back(to.place(pixel));
    }

    void run(const Arena& arena, i64 samples) const override {
        with_type(from_.kind, [&](auto* code) {
            using Code = std::remove_reference_t<decltype(*code)>;
            with_type(to_.kind, [&](auto* type) {
                rows<Code, std::remove_reference_t<decltype(*type)>>(arena, samples);
            });
        });
    }

private:
    template <class Code, class Stored>
    void rows(const Arena& arena, i64 samples) const {
        std::vector<i64> sums(static_cast<std::size_t>(per_group_));
        for (i64 sample = 0; sample < samples; ++sample)
            for (std::size_t pixel = 0; pixel < places_.size(); ++pixel)
                for (i64 group = 0; group < groups_; ++group) {
                    const Code* x = arena.of<Code>(in_) + sample * from_.sample() + offsets_[pixel];
                    Stored* to = arena.of<Stored>(out_) + sample * to_.sample() + places_[pixel];
                    std::copy_n(&bias_[std::size_t(group * per_group_)], per_group_, sums.begin());
                    dot(x + group * group_depth_, &weights_[std::size_t(group) * runs_.size() * length_ * per_group_],
                        sums.data());
                    tail_.one(sums.data(), to + group * per_group_, group * per_group_, per_group_);
                }
    }

    template <class Code>
    void dot(const Code* x, const i64* __restrict w, i64* __restrict sums) const {
        for (const i64 run : runs_)
            for (i64 k = 0; k < length_; ++k, w += per_group_) {
                const std::uint64_t code = std::uint64_t(i64(x[run + k]));  // unsigned: the way may wrap, the end fits
                for (i64 row = 0; row < per_group_; ++row)
                    sums[row] = i64(std::uint64_t(sums[row]) + code * std::uint64_t(w[row]));
            }
    }

    int in_, out_;
    Tensor from_, to_;
    i64 groups_, per_group_, length_, group_depth_;
    std::vector<i64> offsets_, runs_, places_, weights_, bias_;
    Tail tail_;
};

}  // namespace bw
