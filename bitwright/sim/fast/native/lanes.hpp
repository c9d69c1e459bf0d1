// SPDX-License-Identifier: Apache-2.0
// The machine's vectors: 32-bit sums, one an output channel, and the products that add to them.
//
// A product takes four bytes of an activation (or two 16-bit codes), the same for all lanes, and as many weights for
// each lane. No form saturates: every sum is right modulo 2**32, in whatever order, and so exact where it fits.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__ARM_FEATURE_DOTPROD)
#include <arm_neon.h>
#endif

namespace bw {

#if defined(__AVX512F__)
constexpr int LANES = 16;
#elif defined(__AVX2__)
constexpr int LANES = 8;
#else
constexpr int LANES = 4;
#endif

typedef std::int32_t Sums __attribute__((vector_size(4 * LANES)));  // one sum a lane
typedef std::uint32_t Words __attribute__((vector_size(4 * LANES)));

inline Sums load(const void* from) {
    Sums value;
    std::memcpy(&value, from, sizeof value);
    return value;
}

inline void store(void* to, Sums value) { std::memcpy(to, &value, sizeof value); }

inline std::int32_t word(const void* from) {
    std::int32_t value;
    std::memcpy(&value, from, sizeof value);
    return value;
}

#if defined(__AVX512VNNI__) && defined(__AVX512F__)
inline Sums everywhere(std::int32_t value) { return (Sums)_mm512_set1_epi32(value); }
#elif defined(__AVX2__) && !defined(__AVX512F__)
inline Sums everywhere(std::int32_t value) { return (Sums)_mm256_set1_epi32(value); }
#else
inline Sums everywhere(std::int32_t value) { return value - Sums{}; }
#endif

// Four unsigned bytes of an activation by four signed bytes of weights.
struct Bytes {
    using Code = std::uint8_t;
    using Weight = std::int8_t;
    static constexpr int PACKED = 4;  // codes of one word

#if defined(__AVX512VNNI__) && defined(__AVX512F__)
    static constexpr const char* NAME = "AVX-512-VNNI";
    static Sums add(Sums sums, Sums x, Sums w) {
        return (Sums)_mm512_dpbusd_epi32((__m512i)sums, (__m512i)x, (__m512i)w);
    }
#elif defined(__AVXVNNI__) && !defined(__AVX512F__)
    static constexpr const char* NAME = "AVX-VNNI";
    static Sums add(Sums sums, Sums x, Sums w) {
        return (Sums)_mm256_dpbusd_avx_epi32((__m256i)sums, (__m256i)x, (__m256i)w);
    }
#elif defined(__AVX2__) && !defined(__AVX512F__)
    // Even and odd bytes as 16-bit numbers: unlike vpmaddubsw, vpmaddwd cannot saturate on them.
    static constexpr const char* NAME = "AVX2";
    static Sums add(Sums sums, Sums x, Sums w) {
        const __m256i even = _mm256_and_si256((__m256i)x, _mm256_set1_epi16(255)), odd = _mm256_srli_epi16((__m256i)x, 8);
        const __m256i low = _mm256_srai_epi16(_mm256_slli_epi16((__m256i)w, 8), 8);
        const __m256i high = _mm256_srai_epi16((__m256i)w, 8);
        return sums + (Sums)_mm256_madd_epi16(even, low) + (Sums)_mm256_madd_epi16(odd, high);
    }
#elif defined(__ARM_FEATURE_DOTPROD) && defined(__ARM_FEATURE_MATMUL_INT8)
    static constexpr const char* NAME = "NEON dot products";
    static Sums add(Sums sums, Sums x, Sums w) {
        return (Sums)vusdotq_s32((int32x4_t)sums, (uint8x16_t)x, (int8x16_t)w);
    }
#elif defined(__ARM_FEATURE_DOTPROD)
    // x * w = (x - 128) * w + 128 * w, both of signed bytes: 128 is (-128) taken from it.
    static constexpr const char* NAME = "NEON dot products";
    static Sums add(Sums sums, Sums x, Sums w) {
        const int8x16_t low = vdupq_n_s8(-128);
        const int8x16_t centred = veorq_s8((int8x16_t)x, low);
        return (Sums)vdotq_s32((int32x4_t)sums, centred, (int8x16_t)w) -
               (Sums)vdotq_s32(vdupq_n_s32(0), low, (int8x16_t)w);
    }
#else
    static constexpr const char* NAME = "vectors of the compiler";
    static Sums add(Sums sums, Sums x, Sums w) {
        for (int k = 0; k < 4; ++k)
            sums += (Sums)((Words)x >> (8 * k) & 255) * ((Sums)((Words)w << (24 - 8 * k)) >> 24);
        return sums;
    }
#endif
};

#if defined(__AVX512VNNI__) && defined(__AVX512BW__)
#define BW_FOURS 1
// 64 channels of four taps, as the words that `Bytes` multiplies: word i of vector j belongs to channel
// 16 * (i / 4) + 4 * j + i % 4, the order in which 128-bit lanes are interleaved.
struct Fours {
    static constexpr int CHANNELS = 64;
    Sums words[4];

    Fours(const std::uint8_t* a, const std::uint8_t* b, const std::uint8_t* c, const std::uint8_t* d) {
        const __m512i x0 = _mm512_loadu_si512(a), x1 = _mm512_loadu_si512(b);
        const __m512i x2 = _mm512_loadu_si512(c), x3 = _mm512_loadu_si512(d);
        const __m512i low = _mm512_unpacklo_epi8(x0, x1), high = _mm512_unpackhi_epi8(x0, x1);
        const __m512i low2 = _mm512_unpacklo_epi8(x2, x3), high2 = _mm512_unpackhi_epi8(x2, x3);
        words[0] = (Sums)_mm512_unpacklo_epi16(low, low2), words[1] = (Sums)_mm512_unpackhi_epi16(low, low2);
        words[2] = (Sums)_mm512_unpacklo_epi16(high, high2), words[3] = (Sums)_mm512_unpackhi_epi16(high, high2);
    }
    static int channel(int vector, int word) { return 16 * (word / 4) + 4 * vector + word % 4; }

    // The sums of 64 channels in their own order.
    static void store(std::int32_t* to, const Sums* sums) {
        const __m512i a = (__m512i)sums[0], b = (__m512i)sums[1], c = (__m512i)sums[2], d = (__m512i)sums[3];
        const __m512i ab = _mm512_shuffle_i32x4(a, b, 0x44), cd = _mm512_shuffle_i32x4(c, d, 0x44);
        const __m512i ef = _mm512_shuffle_i32x4(a, b, 0xEE), gh = _mm512_shuffle_i32x4(c, d, 0xEE);
        _mm512_storeu_si512(to, _mm512_shuffle_i32x4(ab, cd, 0x88));
        _mm512_storeu_si512(to + 16, _mm512_shuffle_i32x4(ab, cd, 0xDD));
        _mm512_storeu_si512(to + 32, _mm512_shuffle_i32x4(ef, gh, 0x88));
        _mm512_storeu_si512(to + 48, _mm512_shuffle_i32x4(ef, gh, 0xDD));
    }
};
#endif

// Two signed 16-bit codes of an activation by two of weights.
struct Pairs {
    using Code = std::int16_t;
    using Weight = std::int16_t;
    static constexpr int PACKED = 2;

#if defined(__AVX512VNNI__) && defined(__AVX512F__)
    static Sums add(Sums sums, Sums x, Sums w) {
        return (Sums)_mm512_dpwssd_epi32((__m512i)sums, (__m512i)x, (__m512i)w);
    }
#elif defined(__AVX2__) && !defined(__AVX512F__)
    static Sums add(Sums sums, Sums x, Sums w) { return sums + (Sums)_mm256_madd_epi16((__m256i)x, (__m256i)w); }
#else
    static Sums add(Sums sums, Sums x, Sums w) {
        const Sums low = ((Sums)((Words)x << 16) >> 16) * ((Sums)((Words)w << 16) >> 16);
        return (Sums)((Words)sums + (Words)low + (Words)((x >> 16) * (w >> 16)));
    }
#endif
};

}  // namespace bw
