// prune.hpp - the pairs of a block's rows and 16 queries that may reach the floors.
//
//     estimate = scale * step * dot,   margin = reach * |scale * codes| + length * |what they
//     leave|
//
// A pair is pruned if estimate + margin < floor, in float32. With NaN or infinity the comparison is
// false, so such a pair is kept. EXACTNESS.md shows that reach and length cover every rounding
// here. In an unnamed namespace because each instruction set compiles its own.
#pragma once

#include <cstdint>

#include "search/kernel_table.hpp"

namespace twinlens {
namespace {

// The pairs of one row.
inline std::int64_t prune_row(const std::int32_t *dots, float base, const RowCodes &block,
                              std::int64_t row, const Lanes &group, CandidatePair *pairs) {
    const float *terms = block.terms + row * block.n_terms;
    const float scale = terms[0], left = terms[1], length = terms[2];
    const std::int32_t *high = dots + row * lanes, *low = high + block_rows * lanes;
    float estimate[lanes], margin[lanes];
    int in[lanes], any = 0;
    for (std::int64_t lane = 0; lane < lanes; ++lane) {
        estimate[lane] = static_cast<float>(high[lane] - group.offset[0][lane]);
    }
    if (base != 0) {
        for (std::int64_t lane = 0; lane < lanes; ++lane) {
            estimate[lane] =
                estimate[lane] * base + static_cast<float>(low[lane] - group.offset[1][lane]);
        }
    }
    for (std::int64_t lane = 0; lane < lanes; ++lane) {
        estimate[lane] = scale * (group.step[lane] * estimate[lane]);
        margin[lane] = group.reach[lane] * length + group.length[lane] * left;
        in[lane] = !(estimate[lane] + margin[lane] < group.floor[lane]);
        any |= in[lane];
    }
    std::int64_t count = 0;
    for (std::int64_t lane = 0; any != 0 && lane < lanes; ++lane) {
        if (in[lane] != 0) {
            pairs[count++] = {static_cast<std::int32_t>(row), static_cast<std::int32_t>(lane),
                              estimate[lane], margin[lane]};
        }
    }
    return count;
}

inline std::int64_t prune_block(const std::int32_t *dots, float base, const RowCodes &block,
                                const Lanes &group, CandidatePair *pairs) {
    std::int64_t count = 0;
    for (std::int64_t row = 0; row < block_rows; ++row) {
        count += prune_row(dots, base, block, row, group, pairs + count);
    }
    return count;
}

// prune_block for one lane, dots [2 planes][block_rows].
inline std::int64_t prune_lane(const std::int32_t *dots, float base, const RowCodes &block,
                               const Lanes &group, std::int64_t lane, CandidatePair *pairs) {
    const std::int32_t high_offset = group.offset[0][lane], low_offset = group.offset[1][lane];
    const float step = group.step[lane], reach = group.reach[lane];
    const float length = group.length[lane], floor = group.floor[lane];
    std::int64_t count = 0;
    for (std::int64_t row = 0; row < block_rows; ++row) {
        const float *terms = block.terms + row * block.n_terms;
        const float dot = static_cast<float>(dots[row] - high_offset) * base +
                          static_cast<float>(dots[block_rows + row] - low_offset);
        const float estimate = terms[0] * (step * dot);
        const float margin = reach * terms[2] + length * terms[1];
        if (!(estimate + margin < floor)) {
            pairs[count++] = {static_cast<std::int32_t>(row), static_cast<std::int32_t>(lane),
                              estimate, margin};
        }
    }
    return count;
}

} // namespace
} // namespace twinlens
