// exact_score_avx512.hpp - exact_score.hpp by AVX-512: the same sums in the same order, up to six
// levels of them in registers.
//
// The numbers of one side are converted once for four of the other. A row and 40 queries of width
// 512 take 27 ns each, and a row and two queries 30 in place of the 59 that one at a time took
// (EPYC, beside other work).
#pragma once

#include <cstdint>

#include <immintrin.h>

#include "search/exact_score.hpp"
#include "support/arithmetic.hpp"
#include "support/inline.hpp"

namespace twinlens {
namespace {

inline __m512d eight_doubles(const float *numbers) {
    return _mm512_cvtps_pd(_mm256_loadu_ps(numbers));
}

inline __m512d eight_doubles(const double *numbers) { return _mm512_loadu_pd(numbers); }

// Eight sums of 2^levels products each, for `one` and each of m others: those of the first half,
// and of the numbers `width >> levels` further on, added. With them comes a share of the next row
// into the cache, a line with every 16 products: all of its lines at once would hold up the
// arithmetic.
template <int width, int levels, int m> struct Sums {
    template <typename Number>
    TWINLENS_INLINE static void of(const Number *one, const float *const *others, int at,
                                   const float *next, __m512d *sums) {
        __m512d upper[m];
        Sums<width, levels - 1, m>::of(one, others, at, next, sums);
        Sums<width, levels - 1, m>::of(one, others, at + (width >> levels), next, upper);
        for (int i = 0; i < m; ++i) {
            sums[i] = _mm512_add_pd(sums[i], upper[i]);
        }
    }
};

template <int width, int m> struct Sums<width, 1, m> {
    template <typename Number>
    TWINLENS_INLINE static void of(const Number *one, const float *const *others, int at,
                                   const float *next, __m512d *sums) {
        constexpr int step = width / 2;
        _mm_prefetch(reinterpret_cast<const char *>(next + 2 * at), _MM_HINT_T0);
        const __m512d lower = eight_doubles(one + at), upper = eight_doubles(one + at + step);
        for (int i = 0; i < m; ++i) {
            const __m512d first = _mm512_mul_pd(lower, eight_doubles(others[i] + at));
            sums[i] = _mm512_fmadd_pd(upper, eight_doubles(others[i] + at + step), first);
        }
    }
};

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

inline double sum_of_halves(double *work, std::int64_t left) {
    constexpr std::int64_t at_once = 8;
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

// Levels that leave whole registers of sums, at most six.
constexpr int levels_of(int width) {
    int levels = 0;
    while (levels < 6 && width % (16 << levels) == 0) {
        ++levels;
    }
    return levels;
}

template <int width>
double exact_score_of(const float *one, const float *other, const float *next, double *work) {
    constexpr int levels = levels_of(width), left = width >> levels;
    __m512d sums;
    if (left == 8) {
        Sums<width, levels, 1>::of(one, &other, 0, next, &sums);
        return last_sum(sums, left);
    }
    for (int at = 0; at < left; at += 8) {
        Sums<width, levels, 1>::of(one, &other, at, next, &sums);
        _mm512_storeu_pd(work + at, sums);
    }
    return sum_of_halves(work, left);
}

// Columns of 8 rows of 8 numbers.
inline void transpose(const double *rows, std::int64_t stride, __m512d *columns) {
    __m512d pairs[8], fours[8];
    for (int i = 0; i < 8; i += 2) {
        const __m512d even = _mm512_loadu_pd(rows + i * stride);
        const __m512d odd = _mm512_loadu_pd(rows + (i + 1) * stride);
        pairs[i] = _mm512_unpacklo_pd(even, odd);
        pairs[i + 1] = _mm512_unpackhi_pd(even, odd);
    }
    // Quarters of rows 0-3 and of rows 4-7.
    for (int i = 0; i < 2; ++i) {
        for (int odd = 0; odd < 2; ++odd) {
            const __m512d low = pairs[4 * i + odd], high = pairs[4 * i + 2 + odd];
            fours[4 * i + odd] = _mm512_shuffle_f64x2(low, high, 0x88);
            fours[4 * i + 2 + odd] = _mm512_shuffle_f64x2(low, high, 0xdd);
        }
    }
    for (int odd = 0; odd < 2; ++odd) {
        columns[0 + odd] = _mm512_shuffle_f64x2(fours[odd], fours[4 + odd], 0x88);
        columns[4 + odd] = _mm512_shuffle_f64x2(fours[odd], fours[4 + odd], 0xdd);
        columns[2 + odd] = _mm512_shuffle_f64x2(fours[2 + odd], fours[6 + odd], 0x88);
        columns[6 + odd] = _mm512_shuffle_f64x2(fours[2 + odd], fours[6 + odd], 0xdd);
    }
}

// The `left` sums of `one` with each of m others.
template <int width, int m, typename Number>
void sums_of(const Number *one, const float *const *others, const float *next, double *sums) {
    constexpr int levels = levels_of(width), left = width >> levels;
    for (int at = 0; at < left; at += 8) {
        __m512d eight[m];
        Sums<width, levels, m>::of(one, others, at, next, eight);
        for (int i = 0; i < m; ++i) {
            _mm512_store_pd(sums + i * left + at, eight[i]);
        }
    }
}

// Scores of `one` with n others, 8 at a time: the last levels are summed for all of them at once,
// the first of at_once of them.
template <int width, int at_once, typename Number>
void exact_scores_of(const Number *one, const float *const *others, std::int64_t n,
                     const float *next, double *scores) {
    constexpr int left = width >> levels_of(width);
    alignas(64) double sums[8 * left] = {};
    for (std::int64_t first = 0; first < n; first += 8) {
        const std::int64_t count = min<std::int64_t>(8, n - first);
        std::int64_t i = 0;
        for (; i + at_once <= count; i += at_once) {
            sums_of<width, at_once>(one, others + first + i, next, sums + i * left);
        }
        for (; i + 2 <= count; i += 2) {
            sums_of<width, 2>(one, others + first + i, next, sums + i * left);
        }
        if (i < count) {
            sums_of<width, 1>(one, others + first + i, next, sums + i * left);
        }
        __m512d columns[left];
        for (int at = 0; at < left; at += 8) {
            transpose(sums + at, left, columns + at);
        }
        for (int rest = left, half = 0; rest > 1; rest = half) {
            half = (rest + 1) / 2;
            for (int at = 0; at < rest - half; ++at) {
                columns[at] = _mm512_add_pd(columns[at], columns[at + half]);
            }
        }
        _mm512_mask_storeu_pd(scores + first, static_cast<__mmask8>((1U << count) - 1), columns[0]);
    }
}

// The same, where it pays by way of the float64 numbers of `one` in memory.
template <int width>
void exact_scores_to(const float *one, const float *const *others, std::int64_t n,
                     const float *next, double *work, double *scores) {
    constexpr std::int64_t worthwhile = 8;
    if (n == 1) {
        scores[0] = exact_score_of<width>(one, others[0], next, work);
        return;
    }
    if (width <= 512 || n < worthwhile) {
        return exact_scores_of<width, 4>(one, others, n, next, scores);
    }
    // 40 others of width 768 take 34 ns each in place of 41, of width 512 as long. Six levels of
    // four leave no register for them: one at a time, those of width 1024 take 44 in place of 53.
    constexpr int at_once = levels_of(width) < 6 ? 4 : 1;
    for (std::int64_t i = 0; i < width; i += 8) {
        _mm512_storeu_pd(work + i, eight_doubles(one + i));
    }
    exact_scores_of<width, at_once>(work, others, n, next, scores);
}

// The widths of CLIP's and SigLIP's models; others are summed by plain loops.
inline double exact_score_avx512(const float *query, const float *row, std::int64_t width,
                                 double *work) {
    switch (width) {
    case 512:
        return exact_score_of<512>(query, row, query, work);
    case 640:
        return exact_score_of<640>(query, row, query, work);
    case 768:
        return exact_score_of<768>(query, row, query, work);
    case 1024:
        return exact_score_of<1024>(query, row, query, work);
    case 1152:
        return exact_score_of<1152>(query, row, query, work);
    case 1280:
        return exact_score_of<1280>(query, row, query, work);
    default:
        return exact_score(query, row, width, work);
    }
}

inline void exact_scores_avx512(const float *one, const float *const *rows, std::int64_t n,
                                std::int64_t width, const float *next, double *work,
                                double *scores) {
    switch (width) {
    case 512:
        return exact_scores_to<512>(one, rows, n, next, work, scores);
    case 640:
        return exact_scores_to<640>(one, rows, n, next, work, scores);
    case 768:
        return exact_scores_to<768>(one, rows, n, next, work, scores);
    case 1024:
        return exact_scores_to<1024>(one, rows, n, next, work, scores);
    case 1152:
        return exact_scores_to<1152>(one, rows, n, next, work, scores);
    case 1280:
        return exact_scores_to<1280>(one, rows, n, next, work, scores);
    default:
        return exact_scores<exact_score<double>>(one, rows, n, width, next, work, scores);
    }
}

} // namespace
} // namespace twinlens
