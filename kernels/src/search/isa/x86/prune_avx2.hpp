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

    template <bool two_planes> __m256 estimate(const std::int32_t *dots, const float *terms) const {
        __m256 dot = less(dots, offset0);
        if (two_planes) {
            dot = _mm256_fmadd_ps(dot, base, less(dots + block_rows * lanes, offset1));
        }
        return _mm256_mul_ps(_mm256_broadcast_ss(terms), _mm256_mul_ps(step, dot));
    }

    __m256 margin(const float *terms) const {
        return _mm256_fmadd_ps(reach, _mm256_broadcast_ss(terms + 2),
                               _mm256_mul_ps(length, _mm256_broadcast_ss(terms + 1)));
    }

    // Lanes whose upper bound is not below the floor, or is NaN.
    unsigned reached(__m256 estimate, __m256 margin) const {
        return static_cast<unsigned>(
            _mm256_movemask_ps(_mm256_cmp_ps(_mm256_add_ps(estimate, margin), floor, _CMP_NLT_UQ)));
    }
};

// The place of the lowest bit, of 16.
inline std::int32_t lowest_bit(unsigned bits) {
#if defined(__GNUC__)
    return __builtin_ctz(bits);
#else
    std::int32_t at = 0;
    for (; (bits & 1U) == 0; bits >>= 1U) {
        ++at;
    }
    return at;
#endif
}

template <bool two_planes>
std::int64_t prune_planes_avx2(const std::int32_t *dots, float base, const RowCodes &block,
                               const Lanes &group, CandidatePair *pairs) {
    const Bounds8 halves[2] = {Bounds8(group, 0, base), Bounds8(group, 8, base)};
    std::uint16_t reached[block_rows];
    for (std::int64_t row = 0; row < block_rows; ++row) {
        const float *terms = block.terms + row * block.n_terms;
        unsigned in = 0;
        for (int half = 0; half < 2; ++half) {
            const std::int32_t *of_half = dots + row * lanes + 8 * half;
            in |= halves[half].reached(halves[half].estimate<two_planes>(of_half, terms),
                                       halves[half].margin(terms))
                  << (8 * half);
        }
        reached[row] = static_cast<std::uint16_t>(in);
    }
    std::int64_t count = 0;
    for (std::int64_t row = 0; row < block_rows; ++row) {
        if (reached[row] == 0) {
            continue;
        }
        const float *terms = block.terms + row * block.n_terms;
        alignas(32) float estimates[lanes], margins[lanes];
        for (int half = 0; half < 2; ++half) {
            const std::int32_t *of_half = dots + row * lanes + 8 * half;
            _mm256_store_ps(estimates + 8 * half,
                            halves[half].estimate<two_planes>(of_half, terms));
            _mm256_store_ps(margins + 8 * half, halves[half].margin(terms));
        }
        for (unsigned in = reached[row]; in != 0; in &= in - 1) {
            const std::int32_t lane = lowest_bit(in);
            pairs[count++] = {static_cast<std::int32_t>(row), lane, estimates[lane], margins[lane]};
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
