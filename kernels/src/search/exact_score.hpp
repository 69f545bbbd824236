// exact_score.hpp - the float64 score of one query and one corpus row, as reference.py defines it.
//
// Contract: width >= 1; `work` has room for (width + 1) / 2 numbers.
// Numerics: a product of two floats is exact in double, so a fused multiply-add changes nothing;
// the halving order of the additions is the definition, and vectorises as it stands.
// Bound: |score| <= width * 2^256, far inside double; products are multiples of 2^-298, so nothing
// underflows.
// In an unnamed namespace because each instruction set compiles its own.
#pragma once

#include <cstdint>

namespace twinlens {
namespace {

inline double exact_score(const float *query, const float *row, std::int64_t width, double *work) {
    std::int64_t half = (width + 1) / 2;
    for (std::int64_t i = 0; i < width - half; ++i) {
        work[i] = static_cast<double>(query[i]) * static_cast<double>(row[i]) +
                  static_cast<double>(query[i + half]) * static_cast<double>(row[i + half]);
    }
    if (width % 2 == 1) {
        work[half - 1] = static_cast<double>(query[half - 1]) * static_cast<double>(row[half - 1]);
    }
    for (std::int64_t left = half; left > 1; left = half) {
        half = (left + 1) / 2;
        for (std::int64_t i = 0; i < left - half; ++i) {
            work[i] += work[i + half];
        }
    }
    return work[0];
}

} // namespace
} // namespace twinlens
