// prune_avx512.hpp - prune.hpp by AVX-512, one row against 16 queries at a time.
#pragma once

#include <cstdint>

#include <immintrin.h>

#include "search/kernel_table.hpp"

namespace twinlens {
namespace {

// The constants of 16 queries in registers.
struct Bounds16 {
    __m512i offset0, offset1;
    __m512 step, reach, length, floor, base;

    Bounds16(const Lanes &group, float base_)
        : offset0(_mm512_load_si512(group.offset[0])), offset1(_mm512_load_si512(group.offset[1])),
          step(_mm512_load_ps(group.step)), reach(_mm512_load_ps(group.reach)),
          length(_mm512_load_ps(group.length)), floor(_mm512_load_ps(group.floor)),
          base(_mm512_set1_ps(base_)) {}

    template <bool two_planes> __m512 estimate(const std::int32_t *dots, const float *terms) const {
        __m512 dot = _mm512_cvtepi32_ps(_mm512_sub_epi32(_mm512_load_si512(dots), offset0));
        if (two_planes) {
            const __m512i low = _mm512_load_si512(dots + block_rows * lanes);
            dot = _mm512_fmadd_ps(dot, base, _mm512_cvtepi32_ps(_mm512_sub_epi32(low, offset1)));
        }
        return _mm512_mul_ps(_mm512_set1_ps(terms[0]), _mm512_mul_ps(step, dot));
    }

    __m512 margin(const float *terms) const {
        return _mm512_fmadd_ps(reach, _mm512_set1_ps(terms[2]),
                               _mm512_mul_ps(length, _mm512_set1_ps(terms[1])));
    }

    // Lanes not below the floor, or NaN.
    unsigned reached(__m512 estimate, __m512 margin) const {
        return _mm512_cmp_ps_mask(_mm512_add_ps(estimate, margin), floor, _CMP_NLT_UQ);
    }
};

// All rows are compared before the first pair is written: a row with a pair comes unpredictably,
// and in between stalls the arithmetic of the next ones.
template <bool two_planes>
std::int64_t prune_planes(const std::int32_t *dots, const RowCodes &block, const Bounds16 &bounds,
                          CandidatePair *pairs) {
    std::uint16_t reached[block_rows];
    std::uint64_t rows = 0;
    for (std::int64_t row = 0; row < block_rows; ++row) {
        const float *terms = block.terms + row * block.n_terms;
        const unsigned in = bounds.reached(bounds.estimate<two_planes>(dots + row * lanes, terms),
                                           bounds.margin(terms));
        reached[row] = static_cast<std::uint16_t>(in);
        rows |= static_cast<std::uint64_t>(in != 0) << row;
    }
    std::int64_t count = 0;
    for (; rows != 0; rows &= rows - 1) {
        const auto row = static_cast<std::int64_t>(_tzcnt_u64(rows));
        const float *terms = block.terms + row * block.n_terms;
        alignas(64) float estimates[lanes], margins[lanes];
        _mm512_store_ps(estimates, bounds.estimate<two_planes>(dots + row * lanes, terms));
        _mm512_store_ps(margins, bounds.margin(terms));
        for (unsigned in = reached[row]; in != 0; in &= in - 1) {
            const auto lane = static_cast<std::int32_t>(_tzcnt_u32(in));
            pairs[count++] = {static_cast<std::int32_t>(row), lane, estimates[lane], margins[lane]};
        }
    }
    return count;
}

inline std::int64_t prune_avx512(const std::int32_t *dots, float base, const RowCodes &block,
                                 const Lanes &group, CandidatePair *pairs) {
    const Bounds16 bounds(group, base);
    return base == 0 ? prune_planes<false>(dots, block, bounds, pairs)
                     : prune_planes<true>(dots, block, bounds, pairs);
}

// One term of each of 16 rows.
struct TermsOf16 {
    __m512 scale, left, length;

    // Rows of 3 terms are taken apart in registers: gathers take longer than the dot products.
    TermsOf16(const float *terms, std::int64_t n_terms) {
        const __m512i each =
            _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
        const __m512i at = _mm512_mullo_epi32(each, _mm512_set1_epi32(static_cast<int>(n_terms)));
        if (n_terms == 3) {
            scale = third(terms, at);
            left = third(terms, _mm512_add_epi32(at, _mm512_set1_epi32(1)));
            length = third(terms, _mm512_add_epi32(at, _mm512_set1_epi32(2)));
            return;
        }
        scale = _mm512_i32gather_ps(at, terms, 4);
        left = _mm512_i32gather_ps(at, terms + 1, 4);
        length = _mm512_i32gather_ps(at, terms + 2, 4);
    }

  private:
    // terms[at] of 48 terms.
    static __m512 third(const float *terms, __m512i at) {
        const __m512 front =
            _mm512_permutex2var_ps(_mm512_loadu_ps(terms), at, _mm512_loadu_ps(terms + 16));
        const __m512 back = _mm512_permutexvar_ps(at, _mm512_loadu_ps(terms + 32));
        return _mm512_mask_blend_ps(_mm512_cmpge_epi32_mask(at, _mm512_set1_epi32(32)), front,
                                    back);
    }
};

// 16 rows against one lane at a time: cheap, so that the stream of codes does not stall.
inline std::int64_t prune_lane_avx512(const std::int32_t *dots, float base, const RowCodes &block,
                                      const Lanes &group, std::int64_t lane, CandidatePair *pairs) {
    constexpr std::int64_t at_once = 16;
    const __m512i offset0 = _mm512_set1_epi32(group.offset[0][lane]);
    const __m512i offset1 = _mm512_set1_epi32(group.offset[1][lane]);
    const __m512 step = _mm512_set1_ps(group.step[lane]), bases = _mm512_set1_ps(base);
    const __m512 reach = _mm512_set1_ps(group.reach[lane]);
    const __m512 length = _mm512_set1_ps(group.length[lane]);
    const __m512 floor = _mm512_set1_ps(group.floor[lane]);
    std::int64_t count = 0;
    for (std::int64_t row = 0; row < block_rows; row += at_once) {
        const TermsOf16 terms(block.terms + row * block.n_terms, block.n_terms);
        const __m512i high = _mm512_loadu_si512(dots + row);
        const __m512i low = _mm512_loadu_si512(dots + block_rows + row);
        const __m512 dot =
            _mm512_fmadd_ps(_mm512_cvtepi32_ps(_mm512_sub_epi32(high, offset0)), bases,
                            _mm512_cvtepi32_ps(_mm512_sub_epi32(low, offset1)));
        const __m512 estimate = _mm512_mul_ps(terms.scale, _mm512_mul_ps(step, dot));
        const __m512 margin =
            _mm512_fmadd_ps(reach, terms.length, _mm512_mul_ps(length, terms.left));
        // Not less, or not comparable.
        unsigned in = _mm512_cmp_ps_mask(_mm512_add_ps(estimate, margin), floor, _CMP_NLT_UQ);
        if (in == 0) {
            continue;
        }
        alignas(64) float estimates[at_once], margins[at_once];
        _mm512_store_ps(estimates, estimate);
        _mm512_store_ps(margins, margin);
        for (; in != 0; in &= in - 1) {
            const auto at = static_cast<std::int32_t>(_tzcnt_u32(in));
            pairs[count++] = {static_cast<std::int32_t>(row) + at, static_cast<std::int32_t>(lane),
                              estimates[at], margins[at]};
        }
    }
    return count;
}

} // namespace
} // namespace twinlens
