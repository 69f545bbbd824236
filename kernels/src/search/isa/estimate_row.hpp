// estimate_row.hpp - cosines of a few queries with one row of any length, as the row lies there.
//
// Contract: queries [n, width] are of length 1; estimates [n]. A row that is not finite, or so long
// or short that its square may over- or underflow, gets infinity: it must be scored otherwise.
// Numerics: sums of 32 parts, in the type of the row. A component passes through D / 32 + 6
// additions, D the width, or through 32 at the end: with u the unit roundoff, a product is off by
// less than (D / 32 + 40) u |q| |x|, and the estimate by 1.5 times as much. In an unnamed namespace
// because each instruction set compiles its own.
#pragma once

#include <cstdint>
#include <math.h>

#include "support/arithmetic.hpp"

namespace twinlens {
namespace {

constexpr std::int64_t row_sums = 32;

template <typename Number> inline Number sum_of(Number *partial) {
    for (std::int64_t half = row_sums / 2; half > 0; half /= 2) {
        for (std::int64_t i = 0; i < half; ++i) {
            partial[i] += partial[i + half];
        }
    }
    return partial[0];
}

template <typename Number> struct Products {
    Number squared, dot;
};

template <typename Number>
inline Products<Number> products(const Number *row, const Number *query, std::int64_t width) {
    Number squares[row_sums] = {}, dots[row_sums] = {};
    std::int64_t at = 0;
    for (; at + row_sums <= width; at += row_sums) {
        for (std::int64_t i = 0; i < row_sums; ++i) {
            squares[i] += row[at + i] * row[at + i];
            dots[i] += row[at + i] * query[at + i];
        }
    }
    Number squared = 0, dot = 0;
    for (; at < width; ++at) {
        squared += row[at] * row[at];
        dot += row[at] * query[at];
    }
    return {squared + sum_of(squares), dot + sum_of(dots)};
}

template <typename Number>
inline void estimate_row(const Number *row, const Number *queries, std::int64_t n,
                         std::int64_t width, float *estimates) {
    constexpr double shortest = sizeof(Number) == 4 ? 0x1p-60 : 0x1p-800;
    constexpr double longest = sizeof(Number) == 4 ? 0x1p60 : 0x1p800;
    for (std::int64_t query = 0; query < n; ++query) {
        const Products<Number> found = products(row, queries + query * width, width);
        const double squared = static_cast<double>(found.squared);
        estimates[query] = squared > shortest && squared < longest // false for NaN, too
                               ? static_cast<float>(static_cast<double>(found.dot) / sqrt(squared))
                               : float_infinity;
    }
}

inline void estimate_row32(const float *row, const float *queries, std::int64_t n,
                           std::int64_t width, float *estimates) {
    estimate_row(row, queries, n, width, estimates);
}

inline void estimate_row64(const double *row, const double *queries, std::int64_t n,
                           std::int64_t width, float *estimates) {
    estimate_row(row, queries, n, width, estimates);
}

} // namespace
} // namespace twinlens
