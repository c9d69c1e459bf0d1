// SPDX-License-Identifier: Apache-2.0
// Steps that look at a window of each channel by itself: depthwise convolutions and pools.
#pragma once

#include "steps.hpp"

namespace bw {

// sum_k w[k, c] * x[k, c], in 32 bits; padded taps hold what the border of the input holds.
class Depthwise final : public Step {
public:
    // weights: (channels, taps); offsets: (pixels,) the first tap of each; runs: (taps,) from there.
    Depthwise(int in, int out, const Tensor& from, const Tensor& to, const i64* weights, std::vector<i64> offsets,
              std::vector<i64> runs, const i64* bias, Tail tail)
        : in_(in), out_(out), from_(from), to_(to), offsets_(std::move(offsets)), runs_(std::move(runs)),
          tail_(std::move(tail)) {
        const i64 channels = to.channels, taps = i64(runs_.size());
        weights_.resize(std::size_t(taps * channels));
        for (i64 channel = 0; channel < channels; ++channel) {
            bias_.push_back(std::int32_t(std::uint32_t(std::uint64_t(bias[channel]))));
            for (i64 tap = 0; tap < taps; ++tap)
                weights_[std::size_t(tap * channels + channel)] = std::int32_t(weights[channel * taps + tap]);
        }
        for (i64 pixel = 0; pixel < to.pixels(); ++pixel) places_.push_back(to.place(pixel));
        quadruple(weights);
    }

    void run(const Arena& arena, i64 samples) const override {
        with_type(to_.kind, [&](auto* type) {
            using Stored = std::remove_reference_t<decltype(*type)>;
            if (!words_.empty()) return quads<Stored>(arena, samples);
            with_type(from_.kind, [&](auto* code) {
                pixels<std::remove_reference_t<decltype(*code)>, Stored>(arena, samples);
            });
        });
    }

private:
    static constexpr i64 WIDE = 64;  // channels at a time

#ifdef BW_FOURS
    // Words of four taps for the vectors of `Fours`, where codes and weights are bytes; the last tap stands in, with a
    // weight of zero, where there is none.
    void quadruple(const i64* weights) {
        const i64 taps = i64(runs_.size()), channels = to_.channels, quads = (taps + 3) / 4;
        if (from_.kind != Kind::U8 || std::any_of(weights, weights + taps * channels, [](i64 w) { return w != std::int8_t(w); }))
            return;
        quads_ = runs_;
        while (quads_.size() % 4 != 0) quads_.push_back(quads_.back());
        const i64 blocks = (channels + WIDE - 1) / WIDE;
        words_.assign(std::size_t(blocks * quads * WIDE * 4), 0);
        starts_.assign(std::size_t(blocks * WIDE), 0);
        for (i64 block = 0; block < blocks; ++block)
            for (int vector = 0; vector < 4; ++vector)
                for (int word = 0; word < 16; ++word) {
                    const i64 channel = block * WIDE + Fours::channel(vector, word);
                    if (channel >= channels) continue;
                    starts_[std::size_t(block * WIDE + vector * 16 + word)] = bias_[std::size_t(channel)];
                    for (i64 tap = 0; tap < taps; ++tap) {
                        const i64 at = ((block * quads + tap / 4) * WIDE + vector * 16 + word) * 4 + tap % 4;
                        words_[std::size_t(at)] = std::int8_t(weights[channel * taps + tap]);
                    }
                }
    }

    template <class Stored>
    void quads(const Arena& arena, i64 samples) const {
        static constexpr i64 ROWS = 8;  // pixels whose sums are stored before their tail
        const i64 pixels = i64(places_.size()), total = samples * pixels;
        const std::uint8_t* read[ROWS];
        Stored* written[ROWS];
        i64 pixel = 0, sample = 0;
        for (i64 done = 0; done < total; done += ROWS) {
            const int live = int(std::min(ROWS, total - done));
            for (int p = 0; p < live; ++p) {
                read[p] = arena.of<std::uint8_t>(in_) + sample * from_.sample() + offsets_[std::size_t(pixel)];
                written[p] = arena.of<Stored>(out_) + sample * to_.sample() + places_[std::size_t(pixel)];
                if (++pixel == pixels) pixel = 0, ++sample;
            }
            const std::int8_t* w = words_.data();
            for (i64 channel = 0; channel < to_.channels; channel += WIDE, w += i64(quads_.size()) * WIDE) {
                alignas(64) std::int32_t made[ROWS * WIDE];
                for (int p = 0; p < live; ++p) block(read[p] + channel, w, &starts_[std::size_t(channel)], made + p * WIDE);
                tail_.apply(made, WIDE, live, written, channel, std::min(WIDE, to_.channels - channel));
            }
        }
    }

    // The sums of 64 channels of one pixel.
    void block(const std::uint8_t* x, const std::int8_t* w, const std::int32_t* starts, std::int32_t* made) const {
        Sums sums[4];
        for (int v = 0; v < 4; ++v) sums[v] = load(starts + 16 * v);
        for (std::size_t tap = 0; tap < quads_.size(); tap += 4, w += WIDE * 4) {
            const Fours four(x + quads_[tap], x + quads_[tap + 1], x + quads_[tap + 2], x + quads_[tap + 3]);
            for (int v = 0; v < 4; ++v) sums[v] = Bytes::add(sums[v], four.words[v], load(w + 64 * v));
        }
        Fours::store(made, sums);
    }
#else
    void quadruple(const i64*) {}
    template <class Stored>
    void quads(const Arena&, i64) const {}
#endif

    template <class Code, class Stored>
    void pixels(const Arena& arena, i64 samples) const {
        for (i64 sample = 0; sample < samples; ++sample)
            for (std::size_t pixel = 0; pixel < places_.size(); ++pixel) {
                const Code* x = arena.of<Code>(in_) + sample * from_.sample() + offsets_[pixel];
                Stored* to = arena.of<Stored>(out_) + sample * to_.sample() + places_[pixel];
                i64 channel = 0;
                for (; channel + WIDE <= to_.channels; channel += WIDE) block<WIDE>(x, to, channel, WIDE);
                for (; channel < to_.channels; channel += LANES)
                    block<LANES>(x, to, channel, std::min<i64>(LANES, to_.channels - channel));
            }
    }

    template <i64 N, class Code, class Stored>
    void block(const Code* x, Stored* to, i64 channel, i64 width) const {
        alignas(64) std::int32_t sums[N];
        if (width == N) {
            for (i64 i = 0; i < N; ++i) sums[i] = bias_[std::size_t(channel + i)];
            for (std::size_t tap = 0; tap < runs_.size(); ++tap) {
                const Code* from = x + runs_[tap] + channel;
                const std::int32_t* w = &weights_[tap * std::size_t(to_.channels) + std::size_t(channel)];
                for (i64 i = 0; i < N; ++i) sums[i] += std::int32_t(from[i]) * w[i];
            }
        } else {
            for (i64 i = 0; i < width; ++i) {
                sums[i] = bias_[std::size_t(channel + i)];
                for (std::size_t tap = 0; tap < runs_.size(); ++tap)
                    sums[i] += std::int32_t(x[runs_[tap] + channel + i]) *
                               weights_[tap * std::size_t(to_.channels) + std::size_t(channel + i)];
            }
        }
        tail_.one(sums, to + channel, channel, width);
    }

    int in_, out_;
    Tensor from_, to_;
    std::vector<i64> offsets_, runs_, quads_, places_;  // quads: runs, up to a multiple of four
    std::vector<std::int32_t> weights_, bias_, starts_;
    std::vector<std::int8_t> words_;
    Tail tail_;
};

// The largest code of each window, or the sum of its codes; taps in the padding are left out, or stand in `pad`.
class Pool final : public Step {
public:
    // Sums are of 64 bits if `wide`; else they fit in 32, and wrap on their way.
    // taps: for each output pixel those inside the image; pad: what the others add to the sum, with their bases.
    Pool(int in, int out, const Tensor& from, const Tensor& to, bool sums, bool wide, std::vector<std::vector<i64>> taps,
         std::vector<i64> pad, Tail tail)
        : in_(in), out_(out), from_(from), to_(to), sums_(sums), wide_(wide), taps_(std::move(taps)), pad_(std::move(pad)),
          tail_(std::move(tail)) {}

    void run(const Arena& arena, i64 samples) const override {
        with_type(from_.kind, [&](auto* code) {
            using Code = std::remove_reference_t<decltype(*code)>;
            with_type(to_.kind, [&](auto* type) {
                using Stored = std::remove_reference_t<decltype(*type)>;
                if (wide_) pixels<Code, Stored, i64>(arena, samples);
                else pixels<Code, Stored, std::int32_t>(arena, samples);
            });
        });
    }

private:
    template <class Code, class Stored, class Sum>
    void pixels(const Arena& arena, i64 samples) const {
        std::vector<Sum> values(std::size_t(to_.channels));
        for (i64 sample = 0; sample < samples; ++sample)
            for (std::size_t pixel = 0; pixel < taps_.size(); ++pixel) {
                const Code* x = arena.of<Code>(in_) + sample * from_.sample();
                Stored* to = arena.of<Stored>(out_) + sample * to_.sample() + to_.place(i64(pixel));
                if (sums_) sum(x, pixel, values.data());
                else largest(x, pixel, values.data());
                tail_.one(values.data(), to, 0, to_.channels);
            }
    }

    template <class Code, class Sum>
    void sum(const Code* x, std::size_t pixel, Sum* __restrict values) const {
        std::fill_n(values, to_.channels, Sum(pad_[pixel]));
        for (const i64 tap : taps_[pixel])
            add(x + tap, values, to_.channels);
    }

    // In vectors of a fixed length, which the compiler unrolls, and what is left.
    template <class Code, class Sum>
    static void add(const Code* __restrict x, Sum* __restrict values, i64 count) {
        i64 c = 0;
        for (; c + 16 <= count; c += 16)
            for (i64 i = 0; i < 16; ++i) values[c + i] += Sum(x[c + i]);
        for (; c < count; ++c) values[c] += Sum(x[c]);
    }

    template <class Code, class Sum>
    void largest(const Code* x, std::size_t pixel, Sum* __restrict values) const {
        std::copy_n(x + taps_[pixel].front(), to_.channels, values);
        for (const i64 tap : taps_[pixel])
            for (i64 c = 0; c < to_.channels; ++c) values[c] = std::max(values[c], Sum(x[tap + c]));
        for (i64 c = 0; c < to_.channels; ++c) values[c] += Sum(from_.base);
    }

    int in_, out_;
    Tensor from_, to_;
    bool sums_, wide_;
    std::vector<std::vector<i64>> taps_;
    std::vector<i64> pad_;
    Tail tail_;
};

}  // namespace bw
