// avx512vnni.cpp - AVX-512 VNNI: 64 products of codes and components in one instruction.

#include <cstring>

#include <immintrin.h>

#include "resample/avx512.hpp"
#include "search/exact_score.hpp"
#include "search/isa/code_score.hpp"
#include "search/isa/dot_few_avx512.hpp"
#include "search/isa/encode_row.hpp"
#include "search/isa/prune_avx512.hpp"
#include "search/kernel_table.hpp"

namespace twinlens {
namespace {

int four(const std::uint8_t *codes) {
    int quad;
    std::memcpy(&quad, codes, sizeof quad);
    return quad;
}

// 8 rows times 2 planes: 16 sums, and 10 loads for 16 products.
void dots(const RowCodes &block, const std::int8_t *planes, Prefetch prefetch, std::int32_t *out) {
    constexpr std::int64_t at_once = 8, step = prefetch_step / at_once;
    const std::int64_t padded = block.padded;
    for (std::int64_t row = 0; row < block_rows; row += at_once) {
        const std::uint8_t *codes = block.codes + row * padded;
        __m512i first[at_once], second[at_once];
        for (std::int64_t i = 0; i < at_once; ++i) {
            first[i] = second[i] = _mm512_setzero_si512();
        }
        for (std::int64_t at = 0; at < padded; at += 4) {
            if (at % step == 0) {
                for (std::int64_t line = 0; line < prefetch.lines_a_step; ++line) {
                    _mm_prefetch(reinterpret_cast<const char *>(prefetch.next), _MM_HINT_T0);
                    prefetch.next += 64;
                }
            }
            const __m512i plane0 = _mm512_load_si512(planes + at * lanes);
            const __m512i plane1 = _mm512_load_si512(planes + (padded + at) * lanes);
            for (std::int64_t i = 0; i < at_once; ++i) {
                const __m512i quad = _mm512_set1_epi32(four(codes + i * padded + at));
                first[i] = _mm512_dpbusd_epi32(first[i], quad, plane0);
                second[i] = _mm512_dpbusd_epi32(second[i], quad, plane1);
            }
        }
        for (std::int64_t i = 0; i < at_once; ++i) {
            std::int32_t *to = out + (row + i) * lanes;
            _mm512_store_si512(to, first[i]);
            _mm512_store_si512(to + block_rows * lanes, second[i]);
        }
    }
}

constexpr KernelTable table() {
    KernelTable table{};
    table.name = "avx512vnni";
    table.levels = 127;
    table.few_queries = 2;
    table.dots = dots;
    table.dots_few = dots_few_avx512;
    table.prune = prune_avx512;
    table.prune_few = prune_lane_avx512;
    table.exact_score = exact_score;
    table.code_score = code_score;
    table.encode_row = encode_row;
    table.across = across_avx512;
    table.down = down_avx512;
    return table;
}

} // namespace

constexpr KernelTable avx512vnni_kernels = table();

} // namespace twinlens
