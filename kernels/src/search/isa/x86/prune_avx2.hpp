// prune_avx2.hpp - prune.hpp by AVX2: rows are compared without a branch before pairs are written.
#pragma once

#include <cstdint>

#include <immintrin.h>

#include "search/isa/prune.hpp"
#include "search/kernel_table.hpp"

namespace twinlens {
namespace {

// The constants of 8 queries in registers.
struct Bounds8 {
    __m256i offset0, offset1;
    __m256 step, reach, length, floor, base;

    Bounds8(const Lanes &group, std::int64_t first, float base_)
        : offset0(_mm256_load_si256(reinterpret_cast<const __m256i *>(group.offset[0] + first))),
          offset1(_mm256_load_si256(reinterpret_cast<const __m256i *>(group.offset[1] + first))),
          step(_mm256_load_ps(group.step + first)), reach(_mm256_load_ps(group.reach + first)),
          length(_mm256_load_ps(group.length + first)), floor(_mm256_load_ps(group.floor + first)),
          base(_mm256_set1_ps(base_)) {}

    static __m256 less(const std::int32_t *dots, __m256i offset) {
        const __m256i dot = _mm256_loadu_si256(reinterpret_cast<const __m256i *>(dots));
        return _mm256_cvtepi32_ps(_mm256_sub_epi32(dot, offset));
    }

    // Lanes whose upper bound is not below the floor, or is NaN.
    template <bool two_planes>
    unsigned reached(const std::int32_t *dots, const float *terms) const {
        __m256 dot = less(dots, offset0);
        if (two_planes) {
            dot = _mm256_fmadd_ps(dot, base, less(dots + block_rows * lanes, offset1));
        }
        const __m256 estimate = _mm256_mul_ps(_mm256_broadcast_ss(terms), _mm256_mul_ps(step, dot));
        const __m256 margin =
            _mm256_fmadd_ps(reach, _mm256_broadcast_ss(terms + 2),
                            _mm256_mul_ps(length, _mm256_broadcast_ss(terms + 1)));
        return static_cast<unsigned>(
            _mm256_movemask_ps(_mm256_cmp_ps(_mm256_add_ps(estimate, margin), floor, _CMP_NLT_UQ)));
    }
};

template <bool two_planes>
std::int64_t prune_planes_avx2(const std::int32_t *dots, float base, const RowCodes &block,
                               const Lanes &group, CandidatePair *pairs) {
    const Bounds8 low(group, 0, base), high(group, 8, base);
    std::uint64_t rows = 0;
    for (std::int64_t row = 0; row < block_rows; ++row) {
        const float *terms = block.terms + row * block.n_terms;
        const unsigned in = low.reached<two_planes>(dots + row * lanes, terms) |
                            high.reached<two_planes>(dots + row * lanes + 8, terms);
        rows |= static_cast<std::uint64_t>(in != 0) << row;
    }
    std::int64_t count = 0;
    for (std::int64_t row = 0; rows != 0; ++row, rows >>= 1) {
        if ((rows & 1) != 0) {
            count += prune_row(dots, base, block, row, group, pairs + count);
        }
    }
    return count;
}

inline std::int64_t prune_avx2(const std::int32_t *dots, float base, const RowCodes &block,
                               const Lanes &group, CandidatePair *pairs) {
    return base == 0 ? prune_planes_avx2<false>(dots, base, block, group, pairs)
                     : prune_planes_avx2<true>(dots, base, block, group, pairs);
}

} // namespace
} // namespace twinlens
