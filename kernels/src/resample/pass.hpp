// pass.hpp - one pass of separable image resampling, in integers.
//
// An output byte is clip(0, 255, (2^21 + sum of byte * weight) >> 22), as in Pillow's resampling,
// so the bytes are Pillow's. Weights have 22 fractional bits, and for each output byte the sum of
// their magnitudes is at most `weight_limit`, which resample/taps.hpp checks: then no sum overflows
// int32 (255 * weight_limit + 2^21 < 2^31), and partial sums may wrap, as the total does not. A
// weight splits into 16 bits and 8, or into three bytes, all signed: 127 * 2^16 > weight_limit -
// 2^15.
#pragma once

#include <cstdint>

namespace twinlens {

constexpr int weight_bits = 22;
constexpr std::int32_t weight_half = 1 << (weight_bits - 1);
constexpr std::int64_t weight_limit = 127LL << 16; // 1.98; the sharpest filter, at an edge, has 1.6
constexpr std::int64_t taps_together = 4;

// Input pixels and weights of each output pixel along one axis: `count` from a start on, all within
// the axis.
struct Taps {
    std::int64_t size;           // input pixels
    std::int64_t length;         // output pixels
    std::int64_t count;          // a multiple of taps_together, unless that exceeds size
    const std::int32_t *starts;  // [length]
    const std::int32_t *weights; // [length, count]
};

struct FromRows {
    const std::uint8_t *bytes;
    std::int64_t stride;
};

struct ToRows {
    std::uint8_t *bytes;
    std::int64_t stride;
};

// Scratch memory in which a pass lays out its weights.
constexpr std::int64_t work_bytes_a_weight = 16;

// n rows of [taps.size][4 bytes] to n rows of [taps.length][3 bytes]; the fourth byte is ignored.
using Across = void(FromRows from, std::int64_t n, const Taps &taps, std::uint8_t *work, ToRows to);
// taps.size rows of `width` bytes to taps.length rows of as many.
using Down = void(FromRows from, std::int64_t width, const Taps &taps, std::uint8_t *work,
                  ToRows to);

} // namespace twinlens
