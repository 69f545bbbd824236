// exact_score.hpp - the float64 score of one query and one corpus row, as reference.py defines it.
//
// Contract: width >= 1; `work` has room for (width + 1) / 2 numbers. The query is float32, or the
// same numbers in float64. Numerics: a product of two floats is exact in double, so a fused
// multiply-add changes nothing; the halving order of the additions is the definition, and
// vectorises as it stands. Bound: |score| <= width * 2^256, far inside double; products are
// multiples of 2^-298, so nothing underflows. In an unnamed namespace because each instruction set
// compiles its own.
#pragma once

#include <cstdint>

#if defined(_MSC_VER) && defined(_M_X64)
#include <xmmintrin.h>
#endif

namespace twinlens {
namespace {

// prefetch.hpp's, without a function of std (support/arithmetic.hpp).
inline void prefetch_row(const float *row, std::int64_t width) {
    constexpr std::int64_t most = 1024, line = 16; // numbers
    for (std::int64_t at = 0; at < width && at < most; at += line) {
#if defined(__GNUC__)
        __builtin_prefetch(row + at);
#elif defined(_M_X64)
        _mm_prefetch(reinterpret_cast<const char *>(row + at), _MM_HINT_T0);
#endif
    }
}

// The first level of additions: half of the width are left.
template <typename Number>
void add_two_products(const Number *query, const float *row, std::int64_t width, double *work) {
    const std::int64_t half = (width + 1) / 2;
    for (std::int64_t i = 0; i < width - half; ++i) {
        work[i] = static_cast<double>(query[i]) * static_cast<double>(row[i]) +
                  static_cast<double>(query[i + half]) * static_cast<double>(row[i + half]);
    }
    if (width % 2 == 1) {
        work[half - 1] = static_cast<double>(query[half - 1]) * static_cast<double>(row[half - 1]);
    }
}

// The first three levels, in registers: an eighth of the width, a multiple of 8, are left.
template <typename Number>
void add_eight_products(const Number *query, const float *row, std::int64_t width, double *work) {
    const std::int64_t part = width / 8;
    for (std::int64_t i = 0; i < part; ++i) {
        const auto product = [&](std::int64_t at) {
            return static_cast<double>(query[i + at]) * static_cast<double>(row[i + at]);
        };
        const double even =
            (product(0) + product(4 * part)) + (product(2 * part) + product(6 * part));
        const double odd =
            (product(part) + product(5 * part)) + (product(3 * part) + product(7 * part));
        work[i] = even + odd;
    }
}

template <typename Number>
double exact_score(const Number *query, const float *row, std::int64_t width, double *work) {
    const bool eighths = width % 8 == 0;
    if (eighths) {
        add_eight_products(query, row, width, work);
    } else {
        add_two_products(query, row, width, work);
    }
    std::int64_t half = 0;
    for (std::int64_t left = eighths ? width / 8 : (width + 1) / 2; left > 1; left = half) {
        half = (left + 1) / 2;
        for (std::int64_t i = 0; i < left - half; ++i) {
            work[i] += work[i + half];
        }
    }
    return work[0];
}

// Scores of `one` with n rows: it is converted once, and each row is prefetched while the one
// before it is multiplied, as is `next`. `work` has room for 2 * width numbers.
template <double (*score)(const double *, const float *, std::int64_t, double *)>
void exact_scores(const float *one, const float *const *rows, std::int64_t n, std::int64_t width,
                  const float *next, double *work, double *scores) {
    for (std::int64_t i = 0; i < width; ++i) {
        work[i] = static_cast<double>(one[i]);
    }
    for (std::int64_t i = 0; i < n; ++i) {
        prefetch_row(i + 1 < n ? rows[i + 1] : next, width);
        scores[i] = score(work, rows[i], width, work + width);
    }
}

} // namespace
} // namespace twinlens
