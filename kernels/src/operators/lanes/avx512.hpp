// avx512.hpp - the lanes of README.md, of one AVX-512 register.
#pragma once

#include <cstdint>

#include <immintrin.h>

#include "support/arithmetic.hpp"

namespace twinlens::operators {
namespace {

struct Floats {
    __m512 all;
};

struct Integers {
    __m512i all;
};

struct First {
    __mmask16 mask;
};

// Of 32 registers: 24 sums, 4 vectors and a scalar.
constexpr std::int64_t register_rows = 6, register_vectors = 4;

inline First lanes_from(std::int64_t at, std::int64_t width) {
    const std::int64_t left = clamp<std::int64_t>(width - at, 0, 16);
    return {static_cast<__mmask16>((1U << left) - 1U)};
}

inline First all_lanes() { return {0xffff}; }

inline Floats broadcast(float value) { return {_mm512_set1_ps(value)}; }
inline Floats zeros() { return {_mm512_setzero_ps()}; }
inline Floats load(const float *from) { return {_mm512_loadu_ps(from)}; }
inline Floats load(const float *from, First first) {
    return {_mm512_maskz_loadu_ps(first.mask, from)};
}
inline void store(float *to, Floats x) { _mm512_storeu_ps(to, x.all); }
inline void store(float *to, Floats x, First first) {
    _mm512_mask_storeu_ps(to, first.mask, x.all);
}

inline Floats operator+(Floats a, Floats b) { return {_mm512_add_ps(a.all, b.all)}; }
inline Floats operator-(Floats a, Floats b) { return {_mm512_sub_ps(a.all, b.all)}; }
inline Floats operator*(Floats a, Floats b) { return {_mm512_mul_ps(a.all, b.all)}; }
inline Floats operator/(Floats a, Floats b) { return {_mm512_div_ps(a.all, b.all)}; }
inline Floats fma(Floats a, Floats b, Floats c) { return {_mm512_fmadd_ps(a.all, b.all, c.all)}; }
inline Floats fms(Floats a, Floats b, Floats c) { return {_mm512_fmsub_ps(a.all, b.all, c.all)}; }
inline Floats fnma(Floats a, Floats b, Floats c) { return {_mm512_fnmadd_ps(a.all, b.all, c.all)}; }

// The instructions return their second operand where one is NaN, or both are zero.
inline Floats at_most(Floats x, Floats limit) { return {_mm512_min_ps(limit.all, x.all)}; }
inline Floats at_least(Floats x, Floats limit) { return {_mm512_max_ps(limit.all, x.all)}; }
inline Floats kept(Floats x, First first) { return {_mm512_maskz_mov_ps(first.mask, x.all)}; }
inline Floats chosen(First first, Floats inside, Floats beyond) {
    return {_mm512_mask_mov_ps(beyond.all, first.mask, inside.all)};
}

inline Floats floor(Floats x) {
    return {_mm512_roundscale_ps(x.all, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC)};
}
// Not VREDUCEPS, which rounds its difference down.
inline Floats fraction(Floats x) { return x - floor(x); }
inline Floats times_power(Floats x, Floats t) { return {_mm512_scalef_ps(x.all, t.all)}; }

inline Integers load(const std::int32_t *from) { return {_mm512_loadu_si512(from)}; }
inline Integers load(const std::int32_t *from, First first) {
    return {_mm512_maskz_loadu_epi32(first.mask, from)};
}
inline void store(std::int32_t *to, Integers x) { _mm512_storeu_si512(to, x.all); }
inline Integers integer_zeros() { return {_mm512_setzero_si512()}; }
inline Integers operator*(Integers a, std::int32_t b) {
    return {_mm512_mullo_epi32(a.all, _mm512_set1_epi32(b))};
}
inline Integers larger(Integers a, Integers b) { return {_mm512_max_epi32(a.all, b.all)}; }
inline Integers size_bits(Floats x) {
    return {_mm512_and_si512(_mm512_castps_si512(x.all), _mm512_set1_epi32(0x7fffffff))};
}
inline Integers rounded(Floats x) { return {_mm512_cvtps_epi32(x.all)}; }
inline Floats to_floats(Integers x) { return {_mm512_cvtepi32_ps(x.all)}; }

inline float sum(Floats x) {
    const __m256 upper = _mm512_extractf32x8_ps(x.all, 1);
    const __m256 eight = _mm256_add_ps(_mm512_castps512_ps256(x.all), upper);
    const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}

// max(a, b) is a > b ? a : b, so the upper half comes first, as in at_least(lower, upper).
inline float largest(Floats x) {
    const __m256 upper = _mm512_extractf32x8_ps(x.all, 1);
    const __m256 eight = _mm256_max_ps(upper, _mm512_castps512_ps256(x.all));
    const __m128 four = _mm_max_ps(_mm256_extractf128_ps(eight, 1), _mm256_castps256_ps128(eight));
    const __m128 two = _mm_max_ps(_mm_movehl_ps(four, four), four);
    return _mm_cvtss_f32(_mm_max_ss(_mm_movehdup_ps(two), two));
}

inline std::int32_t largest(Integers x) {
    const __m256i eight =
        _mm256_max_epi32(_mm512_castsi512_si256(x.all), _mm512_extracti64x4_epi64(x.all, 1));
    const __m128i four =
        _mm_max_epi32(_mm256_castsi256_si128(eight), _mm256_extracti128_si256(eight, 1));
    const __m128i two = _mm_max_epi32(four, _mm_shuffle_epi32(four, 0x4e));
    return _mm_cvtsi128_si32(_mm_max_epi32(two, _mm_shuffle_epi32(two, 0xb1)));
}

// Packing works within 128-bit quarters; this restores the order.
inline void store_quarters(std::uint8_t *to, __m512i bytes) {
    const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    _mm512_storeu_si512(to, _mm512_permutexvar_epi32(order, bytes));
}

inline void store_bytes(std::uint8_t *to, const Integers (&x)[4]) {
    store_quarters(to, _mm512_packus_epi16(_mm512_packs_epi32(x[0].all, x[1].all),
                                           _mm512_packs_epi32(x[2].all, x[3].all)));
}

inline void store_bytes_above_128(std::uint8_t *to, const Integers (&x)[4]) {
    const __m512i bytes = _mm512_packs_epi16(_mm512_packs_epi32(x[0].all, x[1].all),
                                             _mm512_packs_epi32(x[2].all, x[3].all));
    store_quarters(to, _mm512_xor_si512(bytes, _mm512_set1_epi8(static_cast<char>(0x80))));
}

inline void prefetch(const void *line) {
    _mm_prefetch(static_cast<const char *>(line), _MM_HINT_T1);
}

// In place.
inline void transpose_registers(__m512i (&rows)[16]) {
    __m512i pairs[16], fours[16];
    for (int i = 0; i < 16; i += 2) {
        pairs[i] = _mm512_unpacklo_epi32(rows[i], rows[i + 1]);
        pairs[i + 1] = _mm512_unpackhi_epi32(rows[i], rows[i + 1]);
    }
    for (int i = 0; i < 16; i += 4) {
        fours[i] = _mm512_unpacklo_epi64(pairs[i], pairs[i + 2]);
        fours[i + 1] = _mm512_unpackhi_epi64(pairs[i], pairs[i + 2]);
        fours[i + 2] = _mm512_unpacklo_epi64(pairs[i + 1], pairs[i + 3]);
        fours[i + 3] = _mm512_unpackhi_epi64(pairs[i + 1], pairs[i + 3]);
    }
    for (int i = 0; i < 4; ++i) {
        const __m512i even_low = _mm512_shuffle_i32x4(fours[i], fours[i + 4], 0x88);
        const __m512i odd_low = _mm512_shuffle_i32x4(fours[i], fours[i + 4], 0xdd);
        const __m512i even_high = _mm512_shuffle_i32x4(fours[i + 8], fours[i + 12], 0x88);
        const __m512i odd_high = _mm512_shuffle_i32x4(fours[i + 8], fours[i + 12], 0xdd);
        rows[i] = _mm512_shuffle_i32x4(even_low, even_high, 0x88);
        rows[i + 4] = _mm512_shuffle_i32x4(odd_low, odd_high, 0x88);
        rows[i + 8] = _mm512_shuffle_i32x4(even_low, even_high, 0xdd);
        rows[i + 12] = _mm512_shuffle_i32x4(odd_low, odd_high, 0xdd);
    }
}

inline void transpose(const float *from, std::int64_t stride, std::int64_t rows,
                      std::int64_t columns, float *to, std::int64_t to_stride) {
    const First first = lanes_from(0, columns);
    __m512i all[16];
    for (std::int64_t i = 0; i < 16; ++i) {
        all[i] = i < rows ? _mm512_castps_si512(load(from + i * stride, first).all)
                          : _mm512_setzero_si512();
    }
    transpose_registers(all);
    for (std::int64_t i = 0; i < min<std::int64_t>(columns, 16); ++i) {
        _mm512_storeu_si512(to + i * to_stride, all[i]);
    }
}

// Added, half of the last place rounds up a number that is above the middle, and one in the middle
// whose last place is odd.
inline Floats to_bf16(Floats x) {
    const __m512i bits = _mm512_castps_si512(x.all);
    const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
    const __m512i half = _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff));
    const __m512i upper = _mm512_set1_epi32(static_cast<int>(0xffff0000U));
    const __m512i rounded = _mm512_and_si512(_mm512_add_epi32(bits, half), upper);
    // A carry would make a number of NaN.
    const __mmask16 nan = _mm512_cmp_ps_mask(x.all, x.all, _CMP_UNORD_Q);
    const __m512i number = _mm512_mask_mov_epi32(rounded, nan, _mm512_set1_epi32(0x7fc00000));
    const __mmask16 tiny =
        _mm512_cmp_ps_mask(_mm512_abs_ps(x.all), _mm512_set1_ps(smallest_normal_float), _CMP_LT_OQ);
    const __m512i sign = _mm512_set1_epi32(static_cast<int>(0x80000000U));
    return {_mm512_castsi512_ps(_mm512_mask_and_epi32(number, tiny, bits, sign))};
}
inline Floats bf16_even(const std::uint16_t *from) {
    return {_mm512_castsi512_ps(_mm512_slli_epi32(_mm512_loadu_si512(from), 16))};
}
inline Floats bf16_odd(const std::uint16_t *from) {
    const __m512i upper = _mm512_set1_epi32(static_cast<int>(0xffff0000U));
    return {_mm512_castsi512_ps(_mm512_and_si512(_mm512_loadu_si512(from), upper))};
}

} // namespace
} // namespace twinlens::operators
