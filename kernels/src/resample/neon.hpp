// neon.hpp - both passes of resample/pass.hpp by ARM's dot product: weights as three bytes.
//
// Contract: taps.count is a multiple of taps_together. sdot multiplies signed bytes, so 128 is
// subtracted from each input byte, and 128 times the weights is where the sums begin.
#pragma once

#include <cstdint>
#include <cstring>

#include <arm_neon.h>

#include "resample/pass.hpp"
#include "resample/scalar.hpp"
#include "resample/weight_bytes.hpp"

namespace twinlens {
namespace {

// Of each four taps: [planes][4 bytes], then four bytes that hold, at the first taps of an output
// byte, where its sum begins.
constexpr std::int64_t laid_bytes = 16;
constexpr int beginning = 3; // the quad of those last four bytes

inline void lay_out_one(const std::int32_t *weights, std::int64_t count, std::uint8_t *laid) {
    std::int64_t sum = 0;
    for (std::int64_t tap = 0; tap < count; ++tap) {
        const Bytes bytes(weights[tap]);
        for (int plane = 0; plane < planes; ++plane) {
            laid[tap / 4 * laid_bytes + 4 * plane + tap % 4] =
                static_cast<std::uint8_t>(bytes.parts[plane]);
        }
        sum += weights[tap];
    }
    const auto begin = static_cast<std::int32_t>(weight_half + 128 * sum);
    std::memcpy(laid + 4 * beginning, &begin, sizeof begin);
}

inline int8x16_t minus_128(uint8x16_t bytes) {
    return vreinterpretq_s8_u8(veorq_u8(bytes, vdupq_n_u8(128)));
}

inline int32x4_t begin_of(const std::uint8_t *laid) {
    return vdupq_laneq_s32(vreinterpretq_s32_u8(vld1q_u8(laid)), beginning);
}

inline void add_taps(int32x4_t (&sums)[planes], int8x16_t bytes, int8x16_t weights) {
    sums[0] = vdotq_laneq_s32(sums[0], bytes, weights, 0);
    sums[1] = vdotq_laneq_s32(sums[1], bytes, weights, 1);
    sums[2] = vdotq_laneq_s32(sums[2], bytes, weights, 2);
}

// clip(0, 65535, sum >> 16) of the four sums.
inline uint16x4_t upper_halves(const int32x4_t (&sums)[planes]) {
    const int32x4_t upper = vaddq_s32(sums[1], vshlq_n_s32(sums[2], 8));
    return vqshrun_n_s32(vaddq_s32(sums[0], vshlq_n_s32(upper, 8)), 16);
}

// clip(0, 255, sum >> 22), from the upper halves.
inline uint8x8_t bytes_of(uint16x4_t first, uint16x4_t second) {
    return vqshrn_n_u16(vcombine_u16(first, second), weight_bits - 16);
}

template <int rows>
void across_rows_neon(FromRows from, const Taps &taps, const std::uint8_t *laid, ToRows to) {
    constexpr std::uint8_t channels[16] = {0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15};
    const uint8x16_t by_channel = vld1q_u8(channels);
    for (std::int64_t x = 0; x < taps.length; ++x) {
        const std::uint8_t *pixels = from.bytes + 4 * taps.starts[x];
        int32x4_t sums[rows][planes];
        for (auto &row_sums : sums) {
            row_sums[0] = begin_of(laid);
            row_sums[1] = row_sums[2] = vdupq_n_s32(0);
        }
        for (std::int64_t tap = 0; tap < taps.count; tap += 4, laid += laid_bytes) {
            const int8x16_t weights = vreinterpretq_s8_u8(vld1q_u8(laid));
            for (int row = 0; row < rows; ++row) {
                const uint8x16_t four = vld1q_u8(pixels + row * from.stride + 4 * tap);
                add_taps(sums[row], minus_128(vqtbl1q_u8(four, by_channel)), weights);
            }
        }
        for (int row = 0; row < rows; ++row) {
            const uint16x4_t upper = upper_halves(sums[row]);
            const std::uint32_t pixel =
                vget_lane_u32(vreinterpret_u32_u8(bytes_of(upper, upper)), 0);
            std::memcpy(to.bytes + row * to.stride + 3 * x, &pixel, 3);
        }
    }
}

[[maybe_unused]] void across_neon(FromRows from, std::int64_t n, const Taps &taps,
                                  std::uint8_t *work, ToRows to) {
    for (std::int64_t x = 0; x < taps.length; ++x) {
        lay_out_one(taps.weights + x * taps.count, taps.count,
                    work + x * taps.count / 4 * laid_bytes);
    }
    constexpr int together = 4;
    std::int64_t row = 0;
    for (; row + together <= n; row += together) {
        across_rows_neon<together>({from.bytes + row * from.stride, from.stride}, taps, work,
                                   {to.bytes + row * to.stride, to.stride});
    }
    for (; row < n; ++row) {
        across_rows_neon<1>({from.bytes + row * from.stride, from.stride}, taps, work,
                            {to.bytes + row * to.stride, to.stride});
    }
}

// Bytes of four rows [4 quarters of the columns][4 columns][4 rows].
struct Quads {
    explicit Quads(const uint8x16_t (&rows)[4]) {
        const uint8x16_t upper_left = vzip1q_u8(rows[0], rows[1]);
        const uint8x16_t upper_right = vzip2q_u8(rows[0], rows[1]);
        const uint8x16_t lower_left = vzip1q_u8(rows[2], rows[3]);
        const uint8x16_t lower_right = vzip2q_u8(rows[2], rows[3]);
        quarters[0] = zipped<0>(upper_left, lower_left);
        quarters[1] = zipped<1>(upper_left, lower_left);
        quarters[2] = zipped<0>(upper_right, lower_right);
        quarters[3] = zipped<1>(upper_right, lower_right);
    }

    int8x16_t quarters[4];

  private:
    template <int half> static int8x16_t zipped(uint8x16_t upper, uint8x16_t lower) {
        const uint16x8_t a = vreinterpretq_u16_u8(upper), b = vreinterpretq_u16_u8(lower);
        return minus_128(vreinterpretq_u8_u16(half == 0 ? vzip1q_u16(a, b) : vzip2q_u16(a, b)));
    }
};

// 16 columns of one new row.
inline void down_columns_neon(FromRows from, std::int64_t count, const std::uint8_t *laid,
                              std::uint8_t *to) {
    int32x4_t sums[4][planes];
    for (auto &quarter : sums) {
        quarter[0] = begin_of(laid);
        quarter[1] = quarter[2] = vdupq_n_s32(0);
    }
    for (std::int64_t tap = 0; tap < count; tap += 4, laid += laid_bytes) {
        const std::uint8_t *top = from.bytes + tap * from.stride;
        const Quads bytes({vld1q_u8(top), vld1q_u8(top + from.stride),
                           vld1q_u8(top + 2 * from.stride), vld1q_u8(top + 3 * from.stride)});
        const int8x16_t weights = vreinterpretq_s8_u8(vld1q_u8(laid));
        for (int quarter = 0; quarter < 4; ++quarter) {
            add_taps(sums[quarter], bytes.quarters[quarter], weights);
        }
    }
    vst1q_u8(to, vcombine_u8(bytes_of(upper_halves(sums[0]), upper_halves(sums[1])),
                             bytes_of(upper_halves(sums[2]), upper_halves(sums[3]))));
}

[[maybe_unused]] void down_neon(FromRows from, std::int64_t width, const Taps &taps,
                                std::uint8_t *work, ToRows to) {
    constexpr std::int64_t columns = 16;
    if (width < columns) {
        down_scalar(from, width, taps, work, to);
        return;
    }
    for (std::int64_t y = 0; y < taps.length; ++y) {
        lay_out_one(taps.weights + y * taps.count, taps.count, work);
        const std::uint8_t *top = from.bytes + taps.starts[y] * from.stride;
        std::uint8_t *made = to.bytes + y * to.stride;
        for (std::int64_t left = 0; left < width; left += columns) {
            // The last columns may be computed twice.
            const std::int64_t at = left + columns <= width ? left : width - columns;
            down_columns_neon({top + at, from.stride}, taps.count, work, made + at);
        }
    }
}

} // namespace
} // namespace twinlens
