// SPDX-License-Identifier: Apache-2.0
// What happens to sums before they are stored: nothing, or a requantiser in a form that was tried at every one of its
// steps. Each form is monotone in the sum, so that agreeing on both sides of every step is agreeing everywhere. Where
// steps are too many to be listed it is the multiply-add-shift that was proved as a whole, in integers.
#pragma once

#include <algorithm>
#include <cmath>

#include "lanes.hpp"
#include "tensors.hpp"

namespace bw {

enum class Form : int { RAW = 0, FLOAT = 1, DOUBLE = 2, STEPS = 3, SEARCH = 4, TABLE = 5, SHIFT = 6, LONG = 7 };

using i128 = __int128;

// A multiply-add, rounded as the machine does both times it is asked: when it is tried and when it is used.
inline float line(float a, float m, float c) { return __builtin_fmaf(a, m, c); }
inline double line(double a, double m, double c) { return __builtin_fma(a, m, c); }

struct Tail;

#if defined(__AVX512F__) && defined(__AVX512BW__)
// FLOAT and DOUBLE of 16 neighbours at once, in bytes: the same conversions, multiply-adds, clips and roundings.
struct Floats {
    static constexpr i64 WIDTH = 16;
    __m512 m, c, low, high;
    __m512i after;

    Floats(const float* slope, const float* constant, const float* least, const float* most, std::int32_t shift)
        : m(_mm512_loadu_ps(slope)), c(_mm512_loadu_ps(constant)), low(_mm512_loadu_ps(least)),
          high(_mm512_loadu_ps(most)), after(_mm512_set1_epi32(shift)) {}
    static Floats of(const Tail& tail, i64 channel);

    void operator()(const std::int32_t* acc, std::uint8_t* to) const {
        const __m512 y = _mm512_fmadd_ps(_mm512_cvtepi32_ps(_mm512_loadu_si512(acc)), m, c);
        const __m512i codes = _mm512_cvtps_epi32(_mm512_min_ps(_mm512_max_ps(y, low), high));
        _mm_storeu_si128(reinterpret_cast<__m128i*>(to), _mm512_cvtepi32_epi8(_mm512_add_epi32(codes, after)));
    }
};

struct Doubles {
    static constexpr i64 WIDTH = 16;
    __m512d m[2], c[2], low[2], high[2];
    __m512i after;

    Doubles(const double* slope, const double* constant, const double* least, const double* most, std::int32_t shift)
        : after(_mm512_set1_epi32(shift)) {
        for (int half = 0; half < 2; ++half) {
            m[half] = _mm512_loadu_pd(slope + 8 * half), c[half] = _mm512_loadu_pd(constant + 8 * half);
            low[half] = _mm512_loadu_pd(least + 8 * half), high[half] = _mm512_loadu_pd(most + 8 * half);
        }
    }
    static Doubles of(const Tail& tail, i64 channel);

    __m256i codes(const std::int32_t* acc, int half) const {
        const __m256i sums = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(acc + 8 * half));
        const __m512d y = _mm512_fmadd_pd(_mm512_cvtepi32_pd(sums), m[half], c[half]);
        return _mm512_cvtpd_epi32(_mm512_min_pd(_mm512_max_pd(y, low[half]), high[half]));
    }
    void operator()(const std::int32_t* acc, std::uint8_t* to) const {
        const __m512i both = _mm512_inserti64x4(_mm512_castsi256_si512(codes(acc, 0)), codes(acc, 1), 1);
        _mm_storeu_si128(reinterpret_cast<__m128i*>(to), _mm512_cvtepi32_epi8(_mm512_add_epi32(both, after)));
    }
};
#else
// Nothing is gained by hand: no number of neighbours is ever this wide.
struct Floats {
    static constexpr i64 WIDTH = i64{1} << 62;
    Floats(const float*, const float*, const float*, const float*, std::int32_t) {}
    static Floats of(const Tail& tail, i64 channel);
    void operator()(const std::int32_t*, std::uint8_t*) const {}
};

struct Doubles {
    static constexpr i64 WIDTH = i64{1} << 62;
    Doubles(const double*, const double*, const double*, const double*, std::int32_t) {}
    static Doubles of(const Tail& tail, i64 channel);
    void operator()(const std::int32_t*, std::uint8_t*) const {}
};
#endif

struct Tail {
    Form form = Form::RAW;
    std::vector<float> m32, c32, low32, high32;   // FLOAT: round_even(clip(m * a + c, low, high)) + after
    std::vector<double> m64, c64, low64, high64;  // DOUBLE: the same
    std::vector<std::int32_t> steps32;            // STEPS: (steps, channels); code = first + step * #{a' >= t}
    std::vector<i64> steps64;                     // SEARCH: (channels, steps), ascending
    std::vector<std::int32_t> flip;               // STEPS, SEARCH: a' = a ^ flip; -1 in falling channels
    std::vector<i64> first;
    std::vector<std::int32_t> first32;            // STEPS: the same, which 32 bits hold
    std::int32_t step = 1;
    std::int32_t after = 0;                       // FLOAT, DOUBLE: from what was rounded to what is stored
    i64 count = 0;                                // steps of a channel
    std::vector<i64> entries;                     // TABLE: (tables, span), code of a - low of its channel
    std::vector<i64> starts;                      // TABLE: place of a = 0 of each channel
    std::vector<i64> slope, low, high, window;    // SHIFT, and LONG in 128 bits: clip((slope * a + offset) >> shift)
    std::vector<i128> offset;                     // ties to even: one less where what >> drops is below the window
    int shift = 0;
    bool odd = false;                             // a zero point in the offset turns the parity over
    i64 base = 0;                                 // what a stored code lacks

    // The stored codes of `rows` rows of sums: row r is at acc + r * pitch and goes to to[r]; `width` channels from
    // `channel` on. Constants are loaded once for all rows.
    template <class Sum, class Stored>
    void apply(const Sum* acc, i64 pitch, int rows, Stored* const* to, i64 channel, i64 width) const {
        i64 done = 0;
        if constexpr (sizeof(Sum) == 4 && sizeof(Stored) == 1) {
            if (form == Form::FLOAT) done = columns<Floats>(acc, pitch, rows, to, channel, width);
            if (form == Form::DOUBLE) done = columns<Doubles>(acc, pitch, rows, to, channel, width);
        }
        if (done < width)
            for (int r = 0; r < rows; ++r) one(acc + r * pitch + done, to[r] + channel + done, channel + done, width - done);
    }

    template <class Sum, class Stored>
    void one(const Sum* __restrict acc, Stored* __restrict to, i64 channel, i64 width) const {
        switch (form) {
            case Form::RAW:
                for (i64 i = 0; i < width; ++i) to[i] = Stored(acc[i] - Sum(base));
                return;
            case Form::FLOAT:
                return linear(acc, to, width, &m32[channel], &c32[channel], &low32[channel], &high32[channel]);
            case Form::DOUBLE:
                return linear(acc, to, width, &m64[channel], &c64[channel], &low64[channel], &high64[channel]);
            case Form::STEPS: return counted(acc, to, channel, width);
            case Form::SEARCH: return searched(acc, to, channel, width);
            case Form::TABLE:
                for (i64 i = 0; i < width; ++i)
                    to[i] = Stored(entries[std::size_t(starts[std::size_t(channel + i)] + i64(acc[i]))] - base);
                return;
            case Form::SHIFT: return shifted<i64>(acc, to, channel, width);
            case Form::LONG: return shifted<i128>(acc, to, channel, width);
        }
    }

private:
    template <class Vector, class Stored>
    i64 columns(const std::int32_t* acc, i64 pitch, int rows, Stored* const* to, i64 channel, i64 width) const {
        i64 i = 0;
        for (; i + Vector::WIDTH <= width; i += Vector::WIDTH) {
            const Vector line = Vector::of(*this, channel + i);
            for (int r = 0; r < rows; ++r) line(acc + r * pitch + i, to[r] + channel + i);
        }
        return i;
    }
    template <class Sum, class Stored, class Real>
    void linear(const Sum* __restrict acc, Stored* __restrict to, i64 width, const Real* __restrict m,
                       const Real* __restrict c, const Real* __restrict low, const Real* __restrict high) const {
        i64 i = 0;
        if constexpr (sizeof(Sum) == 4 && sizeof(Stored) == 1) {
            using Vector = std::conditional_t<sizeof(Real) == 4, Floats, Doubles>;
            for (; i + Vector::WIDTH <= width; i += Vector::WIDTH) Vector(m + i, c + i, low + i, high + i, after)(acc + i, to + i);
        }
        for (; i < width; ++i) {
            const Real y = line(Real(acc[i]), m[i], c[i]);
            const Real raised = y < low[i] ? low[i] : y, v = raised > high[i] ? high[i] : raised;
            to[i] = Stored(i64(std::nearbyint(v)) + after);
        }
    }

    template <class Sum, class Stored>
    void counted(const Sum* __restrict acc, Stored* __restrict to, i64 channel, i64 width) const {
        const i64 pitch = i64(flip.size());
        const std::int32_t* __restrict away = &flip[std::size_t(channel)];
        const std::int32_t* __restrict least = &first32[std::size_t(channel)];
        for (i64 i = 0; i < width; ++i) {
            const std::int32_t* t = &steps32[std::size_t(channel + i)];
            const std::int32_t a = std::int32_t(acc[i]) ^ away[i];
            std::int32_t reached = 0;
            for (i64 k = 0; k < count; ++k) reached += a >= t[k * pitch];
            to[i] = Stored(least[i] + step * reached - std::int32_t(base));
        }
    }

    // Whole holds every product.
    template <class Whole, class Sum, class Stored>
    void shifted(const Sum* __restrict acc, Stored* __restrict to, i64 channel, i64 width) const {
        const Whole dropped = (Whole(1) << shift) - 1;
        for (i64 i = 0; i < width; ++i) {
            const std::size_t c = std::size_t(channel + i);
            const Whole u = Whole(slope[c]) * Whole(acc[i]) + Whole(offset[c]);
            Whole y = u >> shift;
            if ((u & dropped) < Whole(window[c]) && bool(y & 1) != odd) --y;
            to[i] = Stored(i64(std::min(std::max(y, Whole(low[c])), Whole(high[c]))) - base);
        }
    }

    template <class Sum, class Stored>
    void searched(const Sum* __restrict acc, Stored* __restrict to, i64 channel, i64 width) const {
        for (i64 i = 0; i < width; ++i) {
            const i64* t = &steps64[std::size_t((channel + i) * count)];
            const i64 a = i64(acc[i]) ^ i64(flip[std::size_t(channel + i)]);
            const i64 below = std::upper_bound(t, t + count, a) - t;
            to[i] = Stored(first[std::size_t(channel + i)] + i64(step) * below - base);
        }
    }
};

inline Floats Floats::of(const Tail& t, i64 channel) {
    return Floats(&t.m32[channel], &t.c32[channel], &t.low32[channel], &t.high32[channel], t.after);
}

inline Doubles Doubles::of(const Tail& t, i64 channel) {
    return Doubles(&t.m64[channel], &t.c64[channel], &t.low64[channel], &t.high64[channel], t.after);
}

}  // namespace bw
