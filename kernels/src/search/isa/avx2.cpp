// avx2.cpp - AVX2: components of 7 bits, so that vpmaddubsw never saturates.

#include <immintrin.h>

#include "resample/avx2.hpp"
#include "search/isa/code_score.hpp"
#include "search/isa/encode_row.hpp"
#include "search/isa/estimate_row.hpp"
#include "search/isa/prune.hpp"
#include "search/isa/x86/dot_avx2.hpp"
#include "search/isa/x86/exact_score_avx2.hpp"
#include "search/isa/x86/prune_avx2.hpp"
#include "search/kernel_table.hpp"

namespace twinlens {
namespace {

struct Product {
    static constexpr int rows = 2;

    static __m256i add(__m256i sums, __m256i codes, __m256i numbers) {
        // Two products: at most 2 * 255 * 63 = 32130, inside int16.
        const __m256i pairs = _mm256_maddubs_epi16(codes, numbers);
        return _mm256_add_epi32(sums, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
    }
};

constexpr KernelTable table() {
    KernelTable table{};
    table.name = "avx2";
    table.levels = 63;
    table.few_queries = few_queries_avx2;
    table.dots = dots_avx2<Product>;
    table.dots_one = dots_one_avx2<Product>;
    table.dots_few = dots_few_avx2<Product>;
    table.prune = prune_avx2;
    table.prune_few = prune_lane;
    table.exact_score = exact_score_avx2;
    table.exact_scores = exact_scores_avx2;
    table.code_score = code_score;
    table.encode_row = encode_row;
    table.estimate_row32 = estimate_row32;
    table.estimate_row64 = estimate_row64;
    table.across = across_avx2;
    table.down = down_avx2;
    return table;
}

} // namespace

constexpr KernelTable avx2_kernels = table();

} // namespace twinlens
