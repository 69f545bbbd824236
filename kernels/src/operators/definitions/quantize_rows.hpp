// quantize_rows.hpp - quantization of rows, as compute.hpp defines it.
#pragma once

#include <cstring>

#include "operators/compute.hpp"

namespace twinlens::operators {
namespace {

inline float at_least_1e_30(Integers bits) {
    const std::int32_t most = largest(bits);
    float size;
    std::memcpy(&size, &most, sizeof size);
    return size < 1e-30F ? 1e-30F : size; // a NaN stays
}

// round_half_even(x / r * levels), with the quotient of a true division.
struct Quantizer {
    Floats r, inverse, levels;

    Integers operator()(Floats x) const {
        const Floats near = x * inverse;
        return rounded(fma(fnma(near, r, x), inverse, near) * levels);
    }
};

enum class Zero { low, middle }; // zero point 0, for rows that are never negative, or 128

// Magnitude of the largest element of a row.
inline float range_of(const float *x, std::int64_t width) {
    Integers most[2] = {integer_zeros(), integer_zeros()};
    std::int64_t at = 0;
    for (; at + 32 <= width; at += 32) {
        most[0] = larger(most[0], size_bits(load(x + at)));
        most[1] = larger(most[1], size_bits(load(x + at + 16)));
    }
    for (; at < width; at += 16) {
        most[0] = larger(most[0], size_bits(load(x + at, lanes_from(at, width))));
    }
    return at_least_1e_30(larger(most[0], most[1]));
}

// Writes 64 codes every `step_bytes`, padded at the end, and returns the row's scale.
template <Zero zero>
float quantize_row(const float *x, std::int64_t width, std::uint8_t *codes,
                   std::int64_t step_bytes) {
    constexpr float levels = zero == Zero::low ? 255.0F : 127.0F;
    const float r = range_of(x, width);
    const Quantizer coder{broadcast(r), broadcast(1.0F / r), broadcast(levels)};
    for (std::int64_t at = 0; at < width; at += 64, codes += step_bytes) {
        Integers part[4];
        if (at + 64 <= width) {
            for (int i = 0; i < 4; ++i) {
                part[i] = coder(load(x + at + 16 * i));
            }
        } else {
            for (int i = 0; i < 4; ++i) {
                const First first = lanes_from(at + 16 * i, width);
                part[i] = coder(load(x + at + 16 * i, first));
            }
        }
        if constexpr (zero == Zero::low) {
            store_bytes(codes, part);
        } else {
            store_bytes_above_128(codes, part);
        }
    }
    return r / levels;
}

} // namespace
} // namespace twinlens::operators
