// neon.cpp - ARM's dot product instructions (sdot): signed, so 128 is subtracted from the codes.

#include <arm_neon.h>

#include "resample/scalar.hpp"
#include "search/exact_score.hpp"
#include "search/isa/code_score.hpp"
#include "search/isa/encode_row.hpp"
#include "search/isa/estimate_row.hpp"
#include "search/isa/prune.hpp"
#include "search/kernel_table.hpp"

namespace twinlens {
namespace {

// Flipping the top bit subtracts 128.
int8x16_t centred(const std::uint8_t *codes) {
    return vreinterpretq_s8_u8(veorq_u8(vld1q_u8(codes), vdupq_n_u8(128)));
}

void issue(Prefetch &prefetch) {
    for (std::int64_t line = 0; line < prefetch.lines_a_step; ++line, prefetch.next += 64) {
        __builtin_prefetch(prefetch.next);
    }
}

template <int quad>
void add_quad(int32x4_t (&sums)[2][4], const int8x16_t (&codes)[2], const std::int8_t *numbers) {
    for (int part = 0; part < 4; ++part) {
        const int8x16_t four_lanes = vld1q_s8(numbers + quad * 4 * lanes + part * 16);
        sums[0][part] = vdotq_laneq_s32(sums[0][part], four_lanes, codes[0], quad);
        sums[1][part] = vdotq_laneq_s32(sums[1][part], four_lanes, codes[1], quad);
    }
}

// 2 rows times the 16 lanes of a plane: 8 sums.
void dots(const RowCodes &block, const std::int8_t *planes, Prefetch prefetch, std::int32_t *out) {
    constexpr std::int64_t at_once = 2, step = prefetch_step / at_once;
    const std::int64_t padded = block.padded;
    for (std::int64_t row = 0; row < block_rows; row += at_once) {
        const std::uint8_t *upper = block.codes + row * padded, *lower = upper + padded;
        for (std::int64_t plane = 0; plane < 2; ++plane) {
            const std::int8_t *numbers = planes + plane * padded * lanes;
            int32x4_t sums[at_once][4];
            for (auto &row_sums : sums) {
                for (int32x4_t &part : row_sums) {
                    part = vdupq_n_s32(0);
                }
            }
            for (std::int64_t at = 0; at < padded; at += 16) {
                if (plane == 0 && at % step == 0) {
                    issue(prefetch);
                }
                const int8x16_t codes[at_once] = {centred(upper + at), centred(lower + at)};
                add_quad<0>(sums, codes, numbers + at * lanes);
                add_quad<1>(sums, codes, numbers + at * lanes);
                add_quad<2>(sums, codes, numbers + at * lanes);
                add_quad<3>(sums, codes, numbers + at * lanes);
            }
            for (std::int64_t i = 0; i < at_once; ++i) {
                std::int32_t *to = out + (plane * block_rows + row + i) * lanes;
                for (int part = 0; part < 4; ++part) {
                    vst1q_s32(to + 4 * part, sums[i][part]);
                }
            }
        }
    }
}

// 4 rows times the planes of one query: the codes are loaded once.
void dots_few(const RowCodes &block, const std::int8_t *numbers, std::int64_t n, Prefetch prefetch,
              std::int32_t *out) {
    constexpr std::int64_t at_once = 4, step = prefetch_step / at_once;
    const std::int64_t padded = block.padded;
    for (std::int64_t row = 0; row < block_rows; row += at_once) {
        const std::uint8_t *codes = block.codes + row * padded;
        for (std::int64_t query = 0; query < n; ++query) {
            const std::int8_t *high = numbers + query * 2 * padded, *low = high + padded;
            int32x4_t first[at_once], second[at_once];
            for (std::int64_t i = 0; i < at_once; ++i) {
                first[i] = second[i] = vdupq_n_s32(0);
            }
            for (std::int64_t at = 0; at < padded; at += 16) {
                if (query == 0 && at % step == 0) {
                    issue(prefetch);
                }
                const int8x16_t high16 = vld1q_s8(high + at), low16 = vld1q_s8(low + at);
                for (std::int64_t i = 0; i < at_once; ++i) {
                    const int8x16_t code16 = centred(codes + i * padded + at);
                    first[i] = vdotq_s32(first[i], code16, high16);
                    second[i] = vdotq_s32(second[i], code16, low16);
                }
            }
            for (std::int64_t i = 0; i < at_once; ++i) {
                std::int32_t *to = out + query * 2 * block_rows + row + i;
                to[0] = vaddvq_s32(first[i]);
                to[block_rows] = vaddvq_s32(second[i]);
            }
        }
    }
}

constexpr KernelTable table() {
    KernelTable table{};
    table.name = "neon";
    table.levels = 127;
    table.centred = true;
    table.few_queries = 4;
    table.dots = dots;
    table.dots_few = dots_few;
    table.prune = prune_block;
    table.prune_few = prune_lane;
    table.exact_score = exact_score<float>;
    table.exact_scores = exact_scores<exact_score<double>>;
    table.code_score = code_score;
    table.encode_row = encode_row;
    table.estimate_row32 = estimate_row32;
    table.estimate_row64 = estimate_row64;
    table.across = across_scalar;
    table.down = down_scalar;
    return table;
}

} // namespace

constexpr KernelTable neon_kernels = table();

} // namespace twinlens
