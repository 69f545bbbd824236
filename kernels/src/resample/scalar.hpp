// scalar.hpp - both passes of resample/pass.hpp in plain C++, for any taps.
#pragma once

#include <cstdint>

#include "resample/pass.hpp"
#include "support/arithmetic.hpp"

namespace twinlens {
namespace {

inline std::uint8_t byte_of(std::int32_t sum) {
    return static_cast<std::uint8_t>(clamp(sum >> weight_bits, 0, 255));
}

[[maybe_unused]] void across_scalar(FromRows from, std::int64_t n, const Taps &taps, std::uint8_t *,
                                    ToRows to) {
    for (std::int64_t row = 0; row < n; ++row) {
        std::uint8_t *made = to.bytes + row * to.stride;
        const std::int32_t *weights = taps.weights;
        for (std::int64_t x = 0; x < taps.length; ++x, weights += taps.count, made += 3) {
            const std::uint8_t *pixels = from.bytes + row * from.stride + 4 * taps.starts[x];
            std::int32_t sums[4] = {weight_half, weight_half, weight_half, weight_half};
            for (std::int64_t tap = 0; tap < taps.count; ++tap) {
                for (int channel = 0; channel < 4; ++channel) {
                    sums[channel] += pixels[4 * tap + channel] * weights[tap];
                }
            }
            for (int channel = 0; channel < 3; ++channel) {
                made[channel] = byte_of(sums[channel]);
            }
        }
    }
}

[[maybe_unused]] void down_scalar(FromRows from, std::int64_t width, const Taps &taps,
                                  std::uint8_t *, ToRows to) {
    constexpr std::int64_t columns = 64;
    for (std::int64_t y = 0; y < taps.length; ++y) {
        const std::uint8_t *first = from.bytes + taps.starts[y] * from.stride;
        const std::int32_t *weights = taps.weights + y * taps.count;
        for (std::int64_t left = 0; left < width; left += columns) {
            const std::int64_t n = min(columns, width - left);
            std::int32_t sums[columns];
            for (std::int64_t at = 0; at < n; ++at) {
                sums[at] = weight_half;
            }
            for (std::int64_t tap = 0; tap < taps.count; ++tap) {
                const std::uint8_t *bytes = first + tap * from.stride + left;
                for (std::int64_t at = 0; at < n; ++at) {
                    sums[at] += bytes[at] * weights[tap];
                }
            }
            std::uint8_t *made = to.bytes + y * to.stride + left;
            for (std::int64_t at = 0; at < n; ++at) {
                made[at] = byte_of(sums[at]);
            }
        }
    }
}

} // namespace
} // namespace twinlens
