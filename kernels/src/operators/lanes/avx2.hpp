// avx2.hpp - the lanes of README.md, of two AVX2 registers.
#pragma once

#include <cstdint>

#include <immintrin.h>

#include "support/arithmetic.hpp"

namespace twinlens::operators {
namespace {

struct Floats {
    __m256 low, high;
};

struct Integers {
    __m256i low, high;
};

// A count, as stores by a mask take tens of cycles on some processors: a whole store needs none.
struct First {
    std::int64_t count; // 0 .. 16
};

// Of 16 registers: 12 sums, 2 of a vector and a scalar.
constexpr std::int64_t register_rows = 6, register_vectors = 1;

inline First lanes_from(std::int64_t at, std::int64_t width) {
    return {clamp<std::int64_t>(width - at, 0, 16)};
}

inline First all_lanes() { return {16}; }

// Masks of the lanes, all bits set in the first ones.
inline Integers mask_of(First first) {
    alignas(64) static constexpr std::int32_t ones_and_zeros[32] = {-1, -1, -1, -1, -1, -1, -1, -1,
                                                                    -1, -1, -1, -1, -1, -1, -1, -1};
    const std::int32_t *from = ones_and_zeros + 16 - first.count;
    return {_mm256_loadu_si256(reinterpret_cast<const __m256i *>(from)),
            _mm256_loadu_si256(reinterpret_cast<const __m256i *>(from + 8))};
}

inline Floats broadcast(float value) {
    const __m256 all = _mm256_set1_ps(value);
    return {all, all};
}
inline Floats zeros() { return {_mm256_setzero_ps(), _mm256_setzero_ps()}; }
inline Floats load(const float *from) { return {_mm256_loadu_ps(from), _mm256_loadu_ps(from + 8)}; }
inline Floats load(const float *from, First first) {
    if (first.count == 16) {
        return load(from);
    }
    const Integers mask = mask_of(first);
    return {_mm256_maskload_ps(from, mask.low), _mm256_maskload_ps(from + 8, mask.high)};
}
inline void store(float *to, Floats x) {
    _mm256_storeu_ps(to, x.low);
    _mm256_storeu_ps(to + 8, x.high);
}
inline void store(float *to, Floats x, First first) {
    if (first.count == 16) {
        return store(to, x);
    }
    const Integers mask = mask_of(first);
    _mm256_maskstore_ps(to, mask.low, x.low);
    _mm256_maskstore_ps(to + 8, mask.high, x.high);
}

inline Floats operator+(Floats a, Floats b) {
    return {_mm256_add_ps(a.low, b.low), _mm256_add_ps(a.high, b.high)};
}
inline Floats operator-(Floats a, Floats b) {
    return {_mm256_sub_ps(a.low, b.low), _mm256_sub_ps(a.high, b.high)};
}
inline Floats operator*(Floats a, Floats b) {
    return {_mm256_mul_ps(a.low, b.low), _mm256_mul_ps(a.high, b.high)};
}
inline Floats operator/(Floats a, Floats b) {
    return {_mm256_div_ps(a.low, b.low), _mm256_div_ps(a.high, b.high)};
}
inline Floats fma(Floats a, Floats b, Floats c) {
    return {_mm256_fmadd_ps(a.low, b.low, c.low), _mm256_fmadd_ps(a.high, b.high, c.high)};
}
inline Floats fms(Floats a, Floats b, Floats c) {
    return {_mm256_fmsub_ps(a.low, b.low, c.low), _mm256_fmsub_ps(a.high, b.high, c.high)};
}
inline Floats fnma(Floats a, Floats b, Floats c) {
    return {_mm256_fnmadd_ps(a.low, b.low, c.low), _mm256_fnmadd_ps(a.high, b.high, c.high)};
}

// The instructions return their second operand where one is NaN, or both are zero.
inline Floats at_most(Floats x, Floats limit) {
    return {_mm256_min_ps(limit.low, x.low), _mm256_min_ps(limit.high, x.high)};
}
inline Floats at_least(Floats x, Floats limit) {
    return {_mm256_max_ps(limit.low, x.low), _mm256_max_ps(limit.high, x.high)};
}
inline Floats chosen(First first, Floats inside, Floats beyond) {
    if (first.count == 16) {
        return inside;
    }
    const Integers mask = mask_of(first);
    return {_mm256_blendv_ps(beyond.low, inside.low, _mm256_castsi256_ps(mask.low)),
            _mm256_blendv_ps(beyond.high, inside.high, _mm256_castsi256_ps(mask.high))};
}
inline Floats kept(Floats x, First first) { return chosen(first, x, zeros()); }

inline Floats floor(Floats x) { return {_mm256_floor_ps(x.low), _mm256_floor_ps(x.high)}; }
inline Floats fraction(Floats x) { return x - floor(x); }
// Added to the exponent.
inline Floats times_power(Floats x, Floats t) {
    const Floats whole = floor(t);
    const auto times = [](__m256 one, __m256 power) {
        const __m256i exponent = _mm256_slli_epi32(_mm256_cvtps_epi32(power), 23);
        return _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(one), exponent));
    };
    return {times(x.low, whole.low), times(x.high, whole.high)};
}

inline Integers load(const std::int32_t *from) {
    return {_mm256_loadu_si256(reinterpret_cast<const __m256i *>(from)),
            _mm256_loadu_si256(reinterpret_cast<const __m256i *>(from + 8))};
}
inline Integers load(const std::int32_t *from, First first) {
    const Integers mask = mask_of(first);
    return {_mm256_maskload_epi32(from, mask.low), _mm256_maskload_epi32(from + 8, mask.high)};
}
inline void store(std::int32_t *to, Integers x) {
    _mm256_storeu_si256(reinterpret_cast<__m256i *>(to), x.low);
    _mm256_storeu_si256(reinterpret_cast<__m256i *>(to + 8), x.high);
}
inline Integers integer_zeros() { return {_mm256_setzero_si256(), _mm256_setzero_si256()}; }
inline Integers operator*(Integers a, std::int32_t b) {
    const __m256i all = _mm256_set1_epi32(b);
    return {_mm256_mullo_epi32(a.low, all), _mm256_mullo_epi32(a.high, all)};
}
inline Integers larger(Integers a, Integers b) {
    return {_mm256_max_epi32(a.low, b.low), _mm256_max_epi32(a.high, b.high)};
}
inline Integers size_bits(Floats x) {
    const __m256i all = _mm256_set1_epi32(0x7fffffff);
    return {_mm256_and_si256(_mm256_castps_si256(x.low), all),
            _mm256_and_si256(_mm256_castps_si256(x.high), all)};
}
inline Integers rounded(Floats x) {
    return {_mm256_cvtps_epi32(x.low), _mm256_cvtps_epi32(x.high)};
}
inline Floats to_floats(Integers x) {
    return {_mm256_cvtepi32_ps(x.low), _mm256_cvtepi32_ps(x.high)};
}

inline float sum(Floats x) {
    const __m256 eight = _mm256_add_ps(x.low, x.high);
    const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}

// max(a, b) is a > b ? a : b, so the upper half comes first, as in at_least(lower, upper).
inline float largest(Floats x) {
    const __m256 eight = _mm256_max_ps(x.high, x.low);
    const __m128 four = _mm_max_ps(_mm256_extractf128_ps(eight, 1), _mm256_castps256_ps128(eight));
    const __m128 two = _mm_max_ps(_mm_movehl_ps(four, four), four);
    return _mm_cvtss_f32(_mm_max_ss(_mm_movehdup_ps(two), two));
}

inline std::int32_t largest(Integers x) {
    const __m256i eight = _mm256_max_epi32(x.low, x.high);
    const __m128i four =
        _mm_max_epi32(_mm256_castsi256_si128(eight), _mm256_extracti128_si256(eight, 1));
    const __m128i two = _mm_max_epi32(four, _mm_shuffle_epi32(four, 0x4e));
    return _mm_cvtsi128_si32(_mm_max_epi32(two, _mm_shuffle_epi32(two, 0xb1)));
}

// Words of 32 lanes, in the order 0-3, 8-11, 4-7, 12-15 and so on: within halves.
inline __m256i packed_words(Integers x) { return _mm256_packs_epi32(x.low, x.high); }

// Restores the order of bytes that were packed within halves twice.
inline void store_half(std::uint8_t *to, __m256i bytes) {
    const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
    _mm256_storeu_si256(reinterpret_cast<__m256i *>(to), _mm256_permutevar8x32_epi32(bytes, order));
}

inline void store_bytes(std::uint8_t *to, const Integers (&x)[4]) {
    for (int half = 0; half < 2; ++half) {
        store_half(to + 32 * half,
                   _mm256_packus_epi16(packed_words(x[2 * half]), packed_words(x[2 * half + 1])));
    }
}

inline void store_bytes_above_128(std::uint8_t *to, const Integers (&x)[4]) {
    for (int half = 0; half < 2; ++half) {
        const __m256i bytes =
            _mm256_packs_epi16(packed_words(x[2 * half]), packed_words(x[2 * half + 1]));
        store_half(to + 32 * half,
                   _mm256_xor_si256(bytes, _mm256_set1_epi8(static_cast<char>(0x80))));
    }
}

inline void prefetch(const void *line) {
    _mm_prefetch(static_cast<const char *>(line), _MM_HINT_T1);
}

// In place.
inline void transpose_eight(__m256 (&rows)[8]) {
    __m256 pairs[8], fours[8];
    for (int i = 0; i < 8; i += 2) {
        pairs[i] = _mm256_unpacklo_ps(rows[i], rows[i + 1]);
        pairs[i + 1] = _mm256_unpackhi_ps(rows[i], rows[i + 1]);
    }
    for (int i = 0; i < 8; i += 4) {
        fours[i] = _mm256_shuffle_ps(pairs[i], pairs[i + 2], 0x44);
        fours[i + 1] = _mm256_shuffle_ps(pairs[i], pairs[i + 2], 0xee);
        fours[i + 2] = _mm256_shuffle_ps(pairs[i + 1], pairs[i + 3], 0x44);
        fours[i + 3] = _mm256_shuffle_ps(pairs[i + 1], pairs[i + 3], 0xee);
    }
    for (int i = 0; i < 4; ++i) {
        rows[i] = _mm256_permute2f128_ps(fours[i], fours[i + 4], 0x20);
        rows[i + 4] = _mm256_permute2f128_ps(fours[i], fours[i + 4], 0x31);
    }
}

inline void transpose(const float *from, std::int64_t stride, std::int64_t rows,
                      std::int64_t columns, float *to, std::int64_t to_stride) {
    for (std::int64_t column = 0; column < min<std::int64_t>(columns, 16); column += 8) {
        const First first{min<std::int64_t>(columns - column, 8)};
        const __m256i mask = mask_of(first).low;
        for (std::int64_t row = 0; row < 16; row += 8) {
            __m256 all[8];
            for (std::int64_t i = 0; i < 8; ++i) {
                all[i] = row + i < rows
                             ? _mm256_maskload_ps(from + (row + i) * stride + column, mask)
                             : _mm256_setzero_ps();
            }
            transpose_eight(all);
            for (std::int64_t i = 0; i < first.count; ++i) {
                _mm256_storeu_ps(to + (column + i) * to_stride + row, all[i]);
            }
        }
    }
}

// Added, half of the last place rounds up a number that is above the middle, and one in the middle
// whose last place is odd.
inline __m256 to_bf16(__m256 x) {
    const __m256i bits = _mm256_castps_si256(x);
    const __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
    const __m256i half = _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff));
    const __m256i upper = _mm256_set1_epi32(static_cast<int>(0xffff0000U));
    const __m256i rounded = _mm256_and_si256(_mm256_add_epi32(bits, half), upper);
    // A carry would make a number of NaN.
    const __m256 number = _mm256_blendv_ps(_mm256_castsi256_ps(rounded),
                                           _mm256_castsi256_ps(_mm256_set1_epi32(0x7fc00000)),
                                           _mm256_cmp_ps(x, x, _CMP_UNORD_Q));
    const __m256 sign = _mm256_castsi256_ps(_mm256_set1_epi32(static_cast<int>(0x80000000U)));
    const __m256 tiny =
        _mm256_cmp_ps(_mm256_andnot_ps(sign, x), _mm256_set1_ps(smallest_normal_float), _CMP_LT_OQ);
    return _mm256_blendv_ps(number, _mm256_and_ps(x, sign), tiny);
}
inline Floats to_bf16(Floats x) { return {to_bf16(x.low), to_bf16(x.high)}; }
inline Integers load_pairs(const std::uint16_t *from) {
    return {_mm256_loadu_si256(reinterpret_cast<const __m256i *>(from)),
            _mm256_loadu_si256(reinterpret_cast<const __m256i *>(from + 16))};
}
inline Floats bf16_even(const std::uint16_t *from) {
    const Integers pairs = load_pairs(from);
    return {_mm256_castsi256_ps(_mm256_slli_epi32(pairs.low, 16)),
            _mm256_castsi256_ps(_mm256_slli_epi32(pairs.high, 16))};
}
inline Floats bf16_odd(const std::uint16_t *from) {
    const __m256i upper = _mm256_set1_epi32(static_cast<int>(0xffff0000U));
    const Integers pairs = load_pairs(from);
    return {_mm256_castsi256_ps(_mm256_and_si256(pairs.low, upper)),
            _mm256_castsi256_ps(_mm256_and_si256(pairs.high, upper))};
}

} // namespace
} // namespace twinlens::operators
