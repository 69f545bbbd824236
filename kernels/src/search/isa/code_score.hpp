// code_score.hpp - dot product of a float64 query and a row of codes minus 128.
//
// In an unnamed namespace because each instruction set compiles its own.
#pragma once

#include <cstdint>

namespace twinlens {
namespace {

inline double code_score(const double *query, const std::uint8_t *codes, std::int64_t width) {
    constexpr std::int64_t sums = 16;
    double partial[sums] = {};
    std::int64_t at = 0;
    for (; at + sums <= width; at += sums) {
        for (std::int64_t i = 0; i < sums; ++i) {
            partial[i] += query[at + i] * static_cast<double>(codes[at + i] - 128);
        }
    }
    double sum = 0;
    for (; at < width; ++at) {
        sum += query[at] * static_cast<double>(codes[at] - 128);
    }
    for (const double part : partial) {
        sum += part;
    }
    return sum;
}

} // namespace
} // namespace twinlens
