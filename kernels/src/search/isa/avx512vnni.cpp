// avx512vnni.cpp - AVX-512 VNNI: 64 products of a code and a number in one instruction.

#include <cstring>

#include <immintrin.h>

#include "cpu/features.hpp"
#include "resample/avx512.hpp"
#include "search/exact_score.hpp"
#include "search/isa/code_score.hpp"
#include "search/isa/dot_few_avx512.hpp"
#include "search/isa/encode_row.hpp"
#include "search/isa/prune_avx512.hpp"
#include "search/kernel_table.hpp"

namespace twinlens {
namespace {

void nothing() {}

int four(const std::uint8_t *codes) {
    int quad;
    std::memcpy(&quad, codes, sizeof quad);
    return quad;
}

// 8 rows times 2 planes: 16 sums, and 10 loads for 16 products.
void dots(const RowCodes &block, const std::int8_t *planes, Ahead ahead, std::int32_t *out) {
    constexpr std::int64_t at_once = 8, step = ahead_step / at_once;
    const std::int64_t padded = block.padded;
    for (std::int64_t row = 0; row < block_rows; row += at_once) {
        const std::uint8_t *codes = block.codes + row * padded;
        __m512i first[at_once], second[at_once];
        for (std::int64_t i = 0; i < at_once; ++i) {
            first[i] = second[i] = _mm512_setzero_si512();
        }
        for (std::int64_t at = 0; at < padded; at += 4) {
            if (at % step == 0) {
                for (std::int64_t line = 0; line < ahead.lines_a_step; ++line) {
                    _mm_prefetch(reinterpret_cast<const char *>(ahead.next), _MM_HINT_T0);
                    ahead.next += 64;
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

constexpr Path path{"avx512vnni",
                    127,
                    false,
                    0,
                    2,
                    nothing,
                    nothing,
                    dots,
                    few_avx512,
                    screen_avx512,
                    screen_lane_avx512,
                    pair_score,
                    code_score,
                    encode_row,
                    across_avx512,
                    down_avx512};

} // namespace

const Path *avx512vnni_path() { return processor().avx512vnni ? &path : nullptr; }

} // namespace twinlens
