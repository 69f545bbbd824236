// prune_neon.hpp - prune.hpp by NEON: one row against 16 queries, or 16 rows against one, at a
// time.
#pragma once

#include <cstdint>

#include <arm_neon.h>

#include "search/kernel_table.hpp"

namespace twinlens {
namespace {

constexpr int quarters = 4; // of 16 pairs, four to a register

// Estimates and margins of 16 pairs, and which of them stay: those not below their floor, or NaN.
struct PairBounds {
    float32x4_t estimates[quarters], margins[quarters];
    uint32x4_t below[quarters];

    void bound(int quarter, float32x4_t estimate, float32x4_t margin, float32x4_t floor) {
        estimates[quarter] = estimate;
        margins[quarter] = margin;
        below[quarter] = vcltq_f32(vaddq_f32(estimate, margin), floor);
    }

    bool all_below() const {
        const uint32x4_t all =
            vandq_u32(vandq_u32(below[0], below[1]), vandq_u32(below[2], below[3]));
        return vminvq_u32(all) != 0;
    }

    // Writes the pairs that stay, the i-th of them row + i * row_step and lane + i * lane_step.
    CandidatePair *write(std::int64_t row, std::int64_t row_step, std::int64_t lane,
                         std::int64_t lane_step, CandidatePair *pairs) const {
        float estimate[lanes], margin[lanes];
        std::uint32_t out[lanes];
        for (int quarter = 0; quarter < quarters; ++quarter) {
            vst1q_f32(estimate + 4 * quarter, estimates[quarter]);
            vst1q_f32(margin + 4 * quarter, margins[quarter]);
            vst1q_u32(out + 4 * quarter, below[quarter]);
        }
        for (std::int64_t i = 0; i < lanes; ++i) {
            if (out[i] == 0) {
                *pairs++ = {static_cast<std::int32_t>(row + i * row_step),
                            static_cast<std::int32_t>(lane + i * lane_step), estimate[i],
                            margin[i]};
            }
        }
        return pairs;
    }
};

inline float32x4_t floats_of(const std::int32_t *dots, int32x4_t offset) {
    return vcvtq_f32_s32(vsubq_s32(vld1q_s32(dots), offset));
}

inline std::int64_t prune_neon(const std::int32_t *dots, float base, const RowCodes &block,
                               const Lanes &group, CandidatePair *pairs) {
    CandidatePair *end = pairs;
    for (std::int64_t row = 0; row < block_rows; ++row) {
        const float *terms = block.terms + row * block.n_terms;
        PairBounds bounds;
        for (int quarter = 0; quarter < quarters; ++quarter) {
            const int at = 4 * quarter;
            const std::int32_t *high = dots + row * lanes + at;
            float32x4_t dot = floats_of(high, vld1q_s32(group.offset[0] + at));
            if (base != 0) {
                const std::int32_t *low = high + block_rows * lanes;
                dot = vfmaq_n_f32(floats_of(low, vld1q_s32(group.offset[1] + at)), dot, base);
            }
            const float32x4_t estimate =
                vmulq_n_f32(vmulq_f32(vld1q_f32(group.step + at), dot), terms[0]);
            const float32x4_t margin =
                vfmaq_n_f32(vmulq_n_f32(vld1q_f32(group.length + at), terms[1]),
                            vld1q_f32(group.reach + at), terms[2]);
            bounds.bound(quarter, estimate, margin, vld1q_f32(group.floor + at));
        }
        if (!bounds.all_below()) {
            end = bounds.write(row, 0, 0, 1, end);
        }
    }
    return end - pairs;
}

inline std::int64_t prune_lane_neon(const std::int32_t *dots, float base, const RowCodes &block,
                                    const Lanes &group, std::int64_t lane, CandidatePair *pairs) {
    const int32x4_t offset0 = vdupq_n_s32(group.offset[0][lane]);
    const int32x4_t offset1 = vdupq_n_s32(group.offset[1][lane]);
    const float32x4_t floor = vdupq_n_f32(group.floor[lane]);
    CandidatePair *end = pairs;
    for (std::int64_t row = 0; row < block_rows; row += lanes) {
        PairBounds bounds;
        for (int quarter = 0; quarter < quarters; ++quarter) {
            const std::int64_t first = row + 4 * quarter;
            float scale[4], left[4], length[4];
            for (std::int64_t i = 0; i < 4; ++i) {
                const float *terms = block.terms + (first + i) * block.n_terms;
                scale[i] = terms[0];
                left[i] = terms[1];
                length[i] = terms[2];
            }
            const float32x4_t dot = vfmaq_n_f32(floats_of(dots + block_rows + first, offset1),
                                                floats_of(dots + first, offset0), base);
            bounds.bound(quarter, vmulq_f32(vld1q_f32(scale), vmulq_n_f32(dot, group.step[lane])),
                         vfmaq_n_f32(vmulq_n_f32(vld1q_f32(left), group.length[lane]),
                                     vld1q_f32(length), group.reach[lane]),
                         floor);
        }
        if (!bounds.all_below()) {
            end = bounds.write(row, 1, lane, 0, end);
        }
    }
    return end - pairs;
}

} // namespace
} // namespace twinlens
