// dot_avx2.hpp - KernelTable::dots and dots_few in 256-bit registers, for AVX2 and AVX-VNNI.
//
// `Product::add(sums, codes, numbers)` adds to each of 8 int32 sums the products of four unsigned
// codes and four signed components.
#pragma once

#include <cstdint>
#include <cstring>

#include <immintrin.h>

#include "search/kernel_table.hpp"

namespace twinlens {
namespace {

inline int four(const std::uint8_t *codes) {
    int quad;
    std::memcpy(&quad, codes, sizeof quad);
    return quad;
}

inline __m256i load32(const void *bytes) {
    return _mm256_loadu_si256(static_cast<const __m256i *>(bytes));
}

inline void store32(void *bytes, __m256i numbers) {
    _mm256_storeu_si256(static_cast<__m256i *>(bytes), numbers);
}

inline std::int32_t sum_of_eight(__m256i sums) {
    __m128i left = _mm_add_epi32(_mm256_castsi256_si128(sums), _mm256_extracti128_si256(sums, 1));
    left = _mm_add_epi32(left, _mm_shuffle_epi32(left, 0x4e));
    left = _mm_add_epi32(left, _mm_shuffle_epi32(left, 0xb1));
    return _mm_cvtsi128_si32(left);
}

inline void issue(Prefetch &prefetch) {
    for (std::int64_t line = 0; line < prefetch.lines_a_step; ++line, prefetch.next += 64) {
        _mm_prefetch(reinterpret_cast<const char *>(prefetch.next), _MM_HINT_T0);
    }
}

// 2 rows times 2 planes of 16 lanes: 8 of the 16 registers hold sums.
template <typename Product>
void dots_avx2(const RowCodes &block, const std::int8_t *planes, Prefetch prefetch,
               std::int32_t *out) {
    constexpr std::int64_t at_once = 2, halves = 4, step = prefetch_step / at_once;
    const std::int64_t padded = block.padded;
    for (std::int64_t row = 0; row < block_rows; row += at_once) {
        const std::uint8_t *codes = block.codes + row * padded;
        __m256i sums[at_once][halves];
        for (auto &row_sums : sums) {
            for (__m256i &half : row_sums) {
                half = _mm256_setzero_si256();
            }
        }
        for (std::int64_t at = 0; at < padded; at += 4) {
            if (at % step == 0) {
                issue(prefetch);
            }
            const std::int8_t *plane0 = planes + at * lanes, *plane1 = plane0 + padded * lanes;
            const __m256i numbers[halves] = {load32(plane0), load32(plane0 + 32), load32(plane1),
                                             load32(plane1 + 32)};
            for (std::int64_t i = 0; i < at_once; ++i) {
                const __m256i quad = _mm256_set1_epi32(four(codes + i * padded + at));
                for (std::int64_t half = 0; half < halves; ++half) {
                    sums[i][half] = Product::add(sums[i][half], quad, numbers[half]);
                }
            }
        }
        for (std::int64_t i = 0; i < at_once; ++i) {
            std::int32_t *to = out + (row + i) * lanes, *second_to = to + block_rows * lanes;
            store32(to, sums[i][0]);
            store32(to + 8, sums[i][1]);
            store32(second_to, sums[i][2]);
            store32(second_to + 8, sums[i][3]);
        }
    }
}

// 4 rows times the planes of one query: the codes are loaded once.
template <typename Product>
void dots_few_avx2(const RowCodes &block, const std::int8_t *numbers, std::int64_t n,
                   Prefetch prefetch, std::int32_t *out) {
    constexpr std::int64_t at_once = 4, step = prefetch_step / at_once;
    const std::int64_t padded = block.padded;
    for (std::int64_t row = 0; row < block_rows; row += at_once) {
        const std::uint8_t *codes = block.codes + row * padded;
        for (std::int64_t query = 0; query < n; ++query) {
            const std::int8_t *high = numbers + query * 2 * padded, *low = high + padded;
            __m256i first[at_once], second[at_once];
            for (std::int64_t i = 0; i < at_once; ++i) {
                first[i] = second[i] = _mm256_setzero_si256();
            }
            for (std::int64_t at = 0; at < padded; at += 32) {
                if (query == 0 && at % step == 0) {
                    issue(prefetch);
                }
                const __m256i high32 = load32(high + at), low32 = load32(low + at);
                for (std::int64_t i = 0; i < at_once; ++i) {
                    const __m256i code32 = load32(codes + i * padded + at);
                    first[i] = Product::add(first[i], code32, high32);
                    second[i] = Product::add(second[i], code32, low32);
                }
            }
            for (std::int64_t i = 0; i < at_once; ++i) {
                std::int32_t *to = out + query * 2 * block_rows + row + i;
                to[0] = sum_of_eight(first[i]);
                to[block_rows] = sum_of_eight(second[i]);
            }
        }
    }
}

} // namespace
} // namespace twinlens
