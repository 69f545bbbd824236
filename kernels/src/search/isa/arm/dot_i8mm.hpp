// dot_i8mm.hpp - KernelTable::dots and dots_few by ARM's matrix products of bytes (usmmla): two
// rows of unsigned codes times two rows of components, eight of each at a time.
#pragma once

#include <cstdint>

#include <arm_neon.h>

#include "search/isa/arm/dot_neon.hpp"
#include "search/kernel_table.hpp"
#include "support/arithmetic.hpp"

namespace twinlens {
namespace {

// The first, or the last, eight bytes of two rows.
inline uint8x16_t first_eights(uint8x16_t a, uint8x16_t b) {
    return vreinterpretq_u8_u64(vzip1q_u64(vreinterpretq_u64_u8(a), vreinterpretq_u64_u8(b)));
}
inline uint8x16_t last_eights(uint8x16_t a, uint8x16_t b) {
    return vreinterpretq_u8_u64(vzip2q_u64(vreinterpretq_u64_u8(a), vreinterpretq_u64_u8(b)));
}

constexpr std::int64_t lane_pairs = lanes / 2;
// Components that fit the first cache beside the sums of a block: 4 KiB of either.
constexpr std::int64_t piece = 256;

// Two quads of 16 lanes, [2][16 lanes][4], become [8 pairs of lanes][2 lanes][8].
inline void pair_lanes(const std::int8_t *quads, std::int8_t *paired) {
    for (int part = 0; part < 4; ++part) {
        const int32x4_t upper = vreinterpretq_s32_s8(vld1q_s8(quads + 16 * part));
        const int32x4_t lower = vreinterpretq_s32_s8(vld1q_s8(quads + 4 * lanes + 16 * part));
        vst1q_s8(paired + 32 * part, vreinterpretq_s8_s32(vzip1q_s32(upper, lower)));
        vst1q_s8(paired + 32 * part + 16, vreinterpretq_s8_s32(vzip2q_s32(upper, lower)));
    }
}

// Adds to sums [2 pairs of rows][8 pairs of lanes][2 rows][2 lanes] the products of four rows and
// `width` components of the paired lanes.
inline void add_piece(const std::uint8_t *codes, std::int64_t padded, const std::int8_t *paired,
                      std::int64_t width, std::int32_t *sums) {
    int32x4_t own[2][lane_pairs];
    for (std::int64_t i = 0; i < 2 * lane_pairs; ++i) {
        own[i / lane_pairs][i % lane_pairs] = vld1q_s32(sums + 4 * i);
    }
    for (std::int64_t at = 0; at < width; at += 16) {
        uint8x16_t rows[4];
        for (int i = 0; i < 4; ++i) {
            rows[i] = vld1q_u8(codes + i * padded + at);
        }
        const uint8x16_t early[2] = {first_eights(rows[0], rows[1]),
                                     first_eights(rows[2], rows[3])};
        const uint8x16_t late[2] = {last_eights(rows[0], rows[1]), last_eights(rows[2], rows[3])};
        const std::int8_t *early_lanes = paired + at * lanes, *late_lanes = early_lanes + 8 * lanes;
        for (std::int64_t pair = 0; pair < lane_pairs; ++pair) {
            const int8x16_t numbers = vld1q_s8(early_lanes + 16 * pair);
            own[0][pair] = vusmmlaq_s32(own[0][pair], early[0], numbers);
            own[1][pair] = vusmmlaq_s32(own[1][pair], early[1], numbers);
        }
        for (std::int64_t pair = 0; pair < lane_pairs; ++pair) {
            const int8x16_t numbers = vld1q_s8(late_lanes + 16 * pair);
            own[0][pair] = vusmmlaq_s32(own[0][pair], late[0], numbers);
            own[1][pair] = vusmmlaq_s32(own[1][pair], late[1], numbers);
        }
    }
    for (std::int64_t i = 0; i < 2 * lane_pairs; ++i) {
        vst1q_s32(sums + 4 * i, own[i / lane_pairs][i % lane_pairs]);
    }
}

// Sums [8 pairs of lanes][2 rows][2 lanes] as two rows of 16 lanes.
inline void write_two_rows(const std::int32_t *sums, std::int32_t *out) {
    for (std::int64_t four = 0; four < lanes / 4; ++four, sums += 8) {
        const int64x2_t left = vreinterpretq_s64_s32(vld1q_s32(sums));
        const int64x2_t right = vreinterpretq_s64_s32(vld1q_s32(sums + 4));
        vst1q_s32(out + 4 * four, vreinterpretq_s32_s64(vzip1q_s64(left, right)));
        vst1q_s32(out + lanes + 4 * four, vreinterpretq_s32_s64(vzip2q_s64(left, right)));
    }
}

// 64 rows times the 16 lanes of each plane, a piece of the components at a time.
template <int n_planes>
void dots_i8mm(const RowCodes &block, const std::int8_t *planes, Prefetch prefetch,
               std::int32_t *out) {
    constexpr std::int64_t at_once = 4;
    const std::int64_t padded = block.padded;
    alignas(64) std::int8_t paired[piece * lanes];
    alignas(64) std::int32_t sums[block_rows * lanes];
    for (std::int64_t plane = 0; plane < n_planes; ++plane) {
        for (std::int32_t &sum : sums) {
            sum = 0;
        }
        for (std::int64_t at = 0; at < padded; at += piece) {
            const std::int64_t width = min(piece, padded - at);
            for (std::int64_t eight = 0; eight < width; eight += 8) {
                pair_lanes(planes + (plane * padded + at + eight) * lanes, paired + eight * lanes);
            }
            for (std::int64_t row = 0; row < block_rows; row += at_once) {
                if (plane == 0 && row * width % prefetch_step == 0) {
                    issue(prefetch);
                }
                add_piece(block.codes + row * padded + at, padded, paired, width,
                          sums + row * lanes);
            }
        }
        for (std::int64_t row = 0; row < block_rows; row += 2) {
            write_two_rows(sums + row * lanes, out + (plane * block_rows + row) * lanes);
        }
    }
}

// 8 rows times both planes of one query: each product is of two rows and the two planes.
inline void dots_few_i8mm(const RowCodes &block, const std::int8_t *numbers, std::int64_t n,
                          Prefetch prefetch, std::int32_t *out) {
    constexpr int at_once = 8, pairs = at_once / 2;
    constexpr std::int64_t step = prefetch_step / at_once;
    const std::int64_t padded = block.padded;
    for (std::int64_t row = 0; row < block_rows; row += at_once) {
        const std::uint8_t *codes = block.codes + row * padded;
        for (std::int64_t query = 0; query < n; ++query) {
            const std::int8_t *high = numbers + query * 2 * padded, *low = high + padded;
            int32x4_t sums[pairs];
            for (int32x4_t &sum : sums) {
                sum = vdupq_n_s32(0);
            }
            for (std::int64_t at = 0; at < padded; at += 16) {
                if (query == 0 && at % step == 0) {
                    issue(prefetch);
                }
                const int64x2_t high16 = vreinterpretq_s64_s8(vld1q_s8(high + at));
                const int64x2_t low16 = vreinterpretq_s64_s8(vld1q_s8(low + at));
                const int8x16_t early = vreinterpretq_s8_s64(vzip1q_s64(high16, low16));
                const int8x16_t late = vreinterpretq_s8_s64(vzip2q_s64(high16, low16));
                for (int pair = 0; pair < pairs; ++pair) {
                    const uint8x16_t upper = vld1q_u8(codes + 2 * pair * padded + at);
                    const uint8x16_t lower = vld1q_u8(codes + (2 * pair + 1) * padded + at);
                    sums[pair] = vusmmlaq_s32(sums[pair], first_eights(upper, lower), early);
                    sums[pair] = vusmmlaq_s32(sums[pair], last_eights(upper, lower), late);
                }
            }
            std::int32_t *to = out + query * 2 * block_rows + row;
            for (int pair = 0; pair < pairs; pair += 2) {
                vst1q_s32(to + 2 * pair, vuzp1q_s32(sums[pair], sums[pair + 1]));
                vst1q_s32(to + block_rows + 2 * pair, vuzp2q_s32(sums[pair], sums[pair + 1]));
            }
        }
    }
}

} // namespace
} // namespace twinlens
