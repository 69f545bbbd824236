// avxvnni.cpp - AVX-VNNI: 32 products of a code and a number in one instruction.

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
        return _mm256_dpbusd_avx_epi32(sums, codes, numbers);
    }
};

void nothing() {}

constexpr Path path{"avxvnni",
                    127,
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

const Path *avxvnni_path() { return processor().avxvnni ? &path : nullptr; }

} // namespace twinlens
