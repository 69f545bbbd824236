// dot_neon.hpp - KernelTable::dots and dots_few of signed codes, by NEON with or without dot
// products.
//
// 128 is subtracted from the codes, so these tables are centred.
#pragma once

#include <cstdint>

#include <arm_neon.h>

#include "cpu/dot_neon.hpp"
#include "search/kernel_table.hpp"

namespace twinlens {
namespace {

// Flipping the top bit subtracts 128.
inline int8x16_t centred(const std::uint8_t *codes) {
    return vreinterpretq_s8_u8(veorq_u8(vld1q_u8(codes), vdupq_n_u8(128)));
}

inline void issue(Prefetch &prefetch) {
    for (std::int64_t line = 0; line < prefetch.lines_a_step; ++line, prefetch.next += 64) {
        __builtin_prefetch(prefetch.next);
    }
}

template <int quad, int rows>
void add_quad(QuadSums (&sums)[rows][4], const int8x16_t (&codes)[rows],
              const std::int8_t *numbers) {
    for (int part = 0; part < 4; ++part) {
        const int8x16_t four_lanes = vld1q_s8(numbers + quad * 4 * lanes + part * 16);
        for (int row = 0; row < rows; ++row) {
            sums[row][part].template add_quad<quad>(four_lanes, codes[row]);
        }
    }
}

// A few rows times the 16 lanes of each plane: 16 of the 32 registers hold sums.
template <int n_planes>
void dots_neon(const RowCodes &block, const std::int8_t *planes, Prefetch prefetch,
               std::int32_t *out) {
    constexpr int at_once = has_dot_products ? 4 : 2;
    constexpr std::int64_t step = prefetch_step / at_once;
    const std::int64_t padded = block.padded;
    for (std::int64_t row = 0; row < block_rows; row += at_once) {
        const std::uint8_t *first = block.codes + row * padded;
        for (std::int64_t plane = 0; plane < n_planes; ++plane) {
            const std::int8_t *numbers = planes + plane * padded * lanes;
            QuadSums sums[at_once][4];
            for (std::int64_t at = 0; at < padded; at += 16) {
                if (plane == 0 && at % step == 0) {
                    issue(prefetch);
                }
                int8x16_t codes[at_once];
                for (int i = 0; i < at_once; ++i) {
                    codes[i] = centred(first + i * padded + at);
                }
                add_quad<0>(sums, codes, numbers + at * lanes);
                add_quad<1>(sums, codes, numbers + at * lanes);
                add_quad<2>(sums, codes, numbers + at * lanes);
                add_quad<3>(sums, codes, numbers + at * lanes);
            }
            for (int i = 0; i < at_once; ++i) {
                std::int32_t *to = out + (plane * block_rows + row + i) * lanes;
                for (int part = 0; part < 4; ++part) {
                    vst1q_s32(to + 4 * part, sums[i][part].totals());
                }
            }
        }
    }
}

// Each register's sum.
inline int32x4_t sums_of_four(const QuadSums (&rows)[4]) {
    return vpaddq_s32(vpaddq_s32(rows[0].totals(), rows[1].totals()),
                      vpaddq_s32(rows[2].totals(), rows[3].totals()));
}

// 4 rows times the planes of one query: the codes are loaded once.
inline void dots_few_neon(const RowCodes &block, const std::int8_t *numbers, std::int64_t n,
                          Prefetch prefetch, std::int32_t *out) {
    constexpr int at_once = 4;
    constexpr std::int64_t step = prefetch_step / at_once;
    const std::int64_t padded = block.padded;
    for (std::int64_t row = 0; row < block_rows; row += at_once) {
        const std::uint8_t *codes = block.codes + row * padded;
        for (std::int64_t query = 0; query < n; ++query) {
            const std::int8_t *high = numbers + query * 2 * padded, *low = high + padded;
            QuadSums first[at_once], second[at_once];
            for (std::int64_t at = 0; at < padded; at += 16) {
                if (query == 0 && at % step == 0) {
                    issue(prefetch);
                }
                const int8x16_t high16 = vld1q_s8(high + at), low16 = vld1q_s8(low + at);
                for (int i = 0; i < at_once; ++i) {
                    const int8x16_t code16 = centred(codes + i * padded + at);
                    first[i].add(code16, high16);
                    second[i].add(code16, low16);
                }
            }
            std::int32_t *to = out + query * 2 * block_rows + row;
            vst1q_s32(to, sums_of_four(first));
            vst1q_s32(to + block_rows, sums_of_four(second));
        }
    }
}

} // namespace
} // namespace twinlens
