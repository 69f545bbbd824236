// avx2.cpp - AVX2: numbers of 7 bits, so that the saturating multiplication never saturates.

#include <immintrin.h>

#include "cpu/features.hpp"
#include "resample/avx2.hpp"
#include "search/exact_score.hpp"
#include "search/isa/code_score.hpp"
#include "search/isa/dot_avx2.hpp"
#include "search/isa/encode_row.hpp"
#include "search/isa/prune.hpp"
#include "search/kernel_table.hpp"

namespace twinlens {
namespace {

struct Product {
    static __m256i add(__m256i sums, __m256i codes, __m256i numbers) {
        // Two products: at most 2 * 255 * 63 = 32130, inside int16.
        const __m256i pairs = _mm256_maddubs_epi16(codes, numbers);
        return _mm256_add_epi32(sums, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
    }
};

void nothing() {}

constexpr Path path{"avx2",
                    63,
                    false,
                    0,
                    2,
                    nothing,
                    nothing,
                    dots_avx2<Product>,
                    few_avx2<Product>,
                    screen_block,
                    screen_lane,
                    pair_score,
                    code_score,
                    encode_row,
                    across_avx2,
                    down_avx2};

} // namespace

const Path *avx2_path() { return processor().avx2 ? &path : nullptr; }

} // namespace twinlens
