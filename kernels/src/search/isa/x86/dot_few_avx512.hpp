// dot_few_avx512.hpp - KernelTable::dots_few by AVX-512 VNNI, bound by memory bandwidth.
//
// One stream, two rows at once, every line prefetched `ahead` bytes ahead. On an EPYC (family 26)
// 4 KiB give 42 GB/s, 1 KiB 37, plain loads 22, and its core reads 41. On a Xeon with AMX 1 KiB
// gives 20 GB/s, plain loads 15, and tiles, whose rows are far apart in memory, 13.
#pragma once

#include <cstdint>

#include <immintrin.h>

#include "search/isa/x86/dpbusd_avx512.hpp"
#include "search/kernel_table.hpp"

namespace twinlens {
namespace {

// In each 128-bit quarter: sums of two elements, of a and b in turn.
inline __m512i halves_added(__m512i a, __m512i b) {
    return _mm512_add_epi32(_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b));
}

inline __m128i quarters_added(__m512i sums) {
    const __m256i half =
        _mm256_add_epi32(_mm512_castsi512_si256(sums), _mm512_extracti64x4_epi64(sums, 1));
    return _mm_add_epi32(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1));
}

// Sums of two rows with the two planes of one query.
struct TwoRows {
    __m512i upper_high, upper_low, lower_high, lower_low;

    void add(__m512i upper, __m512i lower, __m512i high, __m512i low) {
        upper_high = add_products(upper_high, upper, high);
        upper_low = add_products(upper_low, upper, low);
        lower_high = add_products(lower_high, lower, high);
        lower_low = add_products(lower_low, lower, low);
    }

    // Four sums reduced at once: 9 instructions, against 40 for one at a time.
    void store(std::int32_t *to) const {
        const __m512i high_pairs = halves_added(upper_high, lower_high);
        const __m512i low_pairs = halves_added(upper_low, lower_low);
        const __m128i sums =
            quarters_added(_mm512_add_epi32(_mm512_unpacklo_epi64(high_pairs, low_pairs),
                                            _mm512_unpackhi_epi64(high_pairs, low_pairs)));
        _mm_storel_epi64(reinterpret_cast<__m128i *>(to), sums);
        _mm_storel_epi64(reinterpret_cast<__m128i *>(to + block_rows),
                         _mm_unpackhi_epi64(sums, sums));
    }
};

// The codes are loaded once for all n queries.
template <int n, int ahead>
void dots_of(const RowCodes &block, const std::int8_t *numbers, std::int32_t *out) {
    constexpr std::int64_t at_once = 2;
    const std::int64_t padded = block.padded;
    for (std::int64_t row = 0; row < block_rows; row += at_once) {
        const std::uint8_t *upper = block.codes + row * padded, *lower = upper + padded;
        TwoRows sums[n];
        for (TwoRows &of_query : sums) {
            of_query.upper_high = of_query.upper_low = _mm512_setzero_si512();
            of_query.lower_high = of_query.lower_low = _mm512_setzero_si512();
        }
        for (std::int64_t at = 0; at < padded; at += 64) {
            const auto *next = reinterpret_cast<const char *>(upper + 2 * at + ahead);
            _mm_prefetch(next, _MM_HINT_T0);
            _mm_prefetch(next + 64, _MM_HINT_T0);
            const __m512i upper64 = _mm512_loadu_si512(upper + at);
            const __m512i lower64 = _mm512_loadu_si512(lower + at);
            for (int query = 0; query < n; ++query) {
                const std::int8_t *high = numbers + query * 2 * padded + at;
                sums[query].add(upper64, lower64, _mm512_loadu_si512(high),
                                _mm512_loadu_si512(high + padded));
            }
        }
        for (int query = 0; query < n; ++query) {
            sums[query].store(out + query * 2 * block_rows + row);
        }
    }
}

// Up to four queries: 16 sums of 32 registers.
constexpr std::int64_t few_queries_avx512 = 4;

template <int ahead>
void dots_few_avx512(const RowCodes &block, const std::int8_t *numbers, std::int64_t n, Prefetch,
                     std::int32_t *out) {
    switch (n) {
    case 1:
        return dots_of<1, ahead>(block, numbers, out);
    case 2:
        return dots_of<2, ahead>(block, numbers, out);
    case 3:
        return dots_of<3, ahead>(block, numbers, out);
    default:
        return dots_of<4, ahead>(block, numbers, out);
    }
}

} // namespace
} // namespace twinlens
