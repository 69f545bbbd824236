// encode_row.hpp - 8-bit codes of one row, with the norms that bound the error of its scores.
//
// Contract: work has room for the padded width; codes and residual (or null) too; terms for 3 (5).
// Returns false, with unusable output, if the row holds NaN or infinity. The centre is finite.
// Numerics: everything is float64, in which row - centre is at most 2^129, is off by 2^-53 of
// itself, and keeps every bit of what is subnormal in float32. EXACTNESS.md derives the slacks.
// In an unnamed namespace because each instruction set compiles its own.
#pragma once

#include <cstdint>
#include <math.h>

#include "support/arithmetic.hpp"

namespace twinlens {
namespace {

constexpr std::int64_t pad_to = 64;
// Partial sums of a loop: enough for AVX-512 to vectorise it without reordering.
constexpr std::int64_t parts = 16;

inline double total(const double *sums) {
    double sum = 0;
    for (std::int64_t part = 0; part < parts; ++part) {
        sum += sums[part];
    }
    return sum;
}

inline float rounded_up(double number) {
    const float nearest = number > largest_float ? float_infinity : static_cast<float>(number);
    return static_cast<double>(nearest) < number ? nextafterf(nearest, float_infinity) : nearest;
}

struct Quantized {
    float scale;
    double whole_length; // |whole numbers|
    double left_length;  // |what is left|
};

// Writes numbers[i] / scale as codes, and leaves the rounding errors in `numbers`.
inline Quantized quantize(double *numbers, std::int64_t padded, std::uint8_t *codes) {
    double largest[parts] = {};
    for (std::int64_t i = 0; i < padded; i += parts) {
        for (std::int64_t part = 0; part < parts; ++part) {
            const double size = fabs(numbers[i + part]);
            largest[part] = size > largest[part] ? size : largest[part];
        }
    }
    double most = 0;
    for (const double size : largest) {
        most = size > most ? size : most;
    }
    const float scale = static_cast<float>(most / 127);
    const double inverse = scale > 0 ? 1 / static_cast<double>(scale) : 0;
    // Adding and subtracting it rounds numbers below 2^51 to integers, and vectorises.
    constexpr double rounder = 0x1.8p52;
    double whole_squares[parts] = {}, left_squares[parts] = {};
    for (std::int64_t i = 0; i < padded; i += parts) {
        for (std::int64_t part = 0; part < parts; ++part) {
            const double number = numbers[i + part];
            double whole = (number * inverse + rounder) - rounder;
            // Only a subnormal scale is coarse enough for this to matter.
            whole = whole > 127 ? 127 : whole;
            whole = whole < -128 ? -128 : whole;
            const double left = number - static_cast<double>(scale) * whole;
            codes[i + part] = static_cast<std::uint8_t>(static_cast<std::int32_t>(whole) + 128);
            numbers[i + part] = left;
            whole_squares[part] += whole * whole;
            left_squares[part] += left * left;
        }
    }
    return {scale, sqrt(total(whole_squares)), sqrt(total(left_squares))};
}

inline bool encode_row(const float *row, const float *centre, std::int64_t width, double *work,
                       std::uint8_t *codes, std::uint8_t *residual, float *terms) {
    constexpr double norm_slack = 1 + 0x1p-30, difference_slack = 0x1p-50;
    const std::int64_t padded = (width + pad_to - 1) / pad_to * pad_to;
    for (std::int64_t i = 0; i < width; ++i) {
        work[i] = static_cast<double>(row[i]) - static_cast<double>(centre[i]);
    }
    for (std::int64_t i = width; i < padded; ++i) {
        work[i] = 0;
    }
    double squares[parts] = {};
    for (std::int64_t i = 0; i < padded; i += parts) {
        for (std::int64_t part = 0; part < parts; ++part) {
            squares[part] += work[i + part] * work[i + part];
        }
    }
    const double squared = total(squares);
    if (!(squared <= largest_double)) {
        return false;
    }
    const double rounding = difference_slack * sqrt(squared);
    const Quantized first = quantize(work, padded, codes);
    terms[0] = first.scale;
    terms[1] = rounded_up((first.left_length + rounding) * norm_slack);
    terms[2] = rounded_up(static_cast<double>(first.scale) * first.whole_length * norm_slack);
    if (residual != nullptr) {
        const Quantized second = quantize(work, padded, residual);
        terms[3] = second.scale;
        terms[4] = rounded_up((second.left_length + rounding) * norm_slack);
    }
    return true;
}

} // namespace
} // namespace twinlens
