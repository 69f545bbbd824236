// exact_score_avx512.hpp - exact_score.hpp by AVX-512: the same sums in the same order, three
// levels of them in registers.
#pragma once

#include <cstdint>

#include <immintrin.h>

#include "search/exact_score.hpp"

namespace twinlens {
namespace {

inline __m512d eight_doubles(const float *numbers) {
    return _mm512_cvtps_pd(_mm256_loadu_ps(numbers));
}

inline __m512d eight_doubles(const double *numbers) { return _mm512_loadu_pd(numbers); }

// The products at `at` and `at + step`, added.
template <typename Number>
__m512d two_products(const Number *query, const float *row, std::int64_t at, std::int64_t step) {
    const __m512d first = _mm512_mul_pd(eight_doubles(query + at), eight_doubles(row + at));
    return _mm512_fmadd_pd(eight_doubles(query + at + step), eight_doubles(row + at + step), first);
}

// Adds the upper half of `left` sums, at most 8, to the lower until one is left.
inline double last_sum(__m512d sums, std::int64_t left) {
    const __m512i each = _mm512_setr_epi64(0, 1, 2, 3, 4, 5, 6, 7);
    while (left > 1) {
        const std::int64_t half = (left + 1) / 2;
        const __m512i upper = _mm512_add_epi64(each, _mm512_set1_epi64(half));
        const auto lower = static_cast<__mmask8>((1U << (left - half)) - 1);
        sums = _mm512_mask_add_pd(sums, lower, sums, _mm512_permutexvar_pd(upper, sums));
        left = half;
    }
    return _mm512_cvtsd_f64(sums);
}

template <typename Number>
double exact_score_avx512(const Number *query, const float *row, std::int64_t width, double *work) {
    constexpr std::int64_t at_once = 8;
    if (width % (8 * at_once) != 0) {
        return exact_score(query, row, width, work);
    }
    const std::int64_t part = width / 8; // each level adds the sums of 4, 2, 1 parts further on
    for (std::int64_t at = 0; at < part; at += at_once) {
        const __m512d even = _mm512_add_pd(two_products(query, row, at, 4 * part),
                                           two_products(query, row, at + 2 * part, 4 * part));
        const __m512d odd = _mm512_add_pd(two_products(query, row, at + part, 4 * part),
                                          two_products(query, row, at + 3 * part, 4 * part));
        _mm512_storeu_pd(work + at, _mm512_add_pd(even, odd));
    }
    std::int64_t left = part;
    while (left > at_once) {
        const std::int64_t half = (left + 1) / 2;
        for (std::int64_t at = 0; at < left - half; at += at_once) {
            const std::int64_t rest = left - half - at;
            const auto some = static_cast<__mmask8>(rest < at_once ? (1U << rest) - 1 : 0xff);
            const __m512d sums = _mm512_add_pd(_mm512_maskz_loadu_pd(some, work + at),
                                               _mm512_maskz_loadu_pd(some, work + at + half));
            _mm512_mask_storeu_pd(work + at, some, sums);
        }
        left = half;
    }
    return last_sum(_mm512_maskz_loadu_pd(static_cast<__mmask8>((1U << left) - 1), work), left);
}

} // namespace
} // namespace twinlens
