// dot_avx2.hpp - KernelTable::dots, dots_one and dots_few in 256-bit registers, for AVX2 and
// AVX-VNNI.
//
// `Product::add(sums, codes, numbers)` adds to each of 8 int32 sums the products of four unsigned
// codes and four signed components. `Product::rows` is the number of rows at once whose sums with
// four registers of components, and all else that adds to them, fit in 16 registers.
#pragma once

#include <cstdint>
#include <cstring>

#include <immintrin.h>

#include "search/isa/x86/trickle.hpp"
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

// at_once rows times n_planes planes of 16 lanes. Where at_once does not divide the rows of a
// block, the last ones are multiplied twice.
template <typename Product, int at_once, int n_planes>
void add_planes_avx2(const RowCodes &block, const std::int8_t *planes, Prefetch prefetch,
                     std::int32_t *out) {
    constexpr int halves = 2 * n_planes;
    const std::int64_t padded = block.padded;
    Trickle lines(prefetch, at_once);
    for (std::int64_t start = 0; start < block_rows; start += at_once) {
        const std::int64_t row = start + at_once > block_rows ? block_rows - at_once : start;
        const std::uint8_t *codes = block.codes + row * padded;
        __m256i sums[at_once][halves];
        for (auto &row_sums : sums) {
            for (__m256i &half : row_sums) {
                half = _mm256_setzero_si256();
            }
        }
        for (std::int64_t at = 0; at < padded; at += 4) {
            lines.advance();
            __m256i quads[at_once];
            for (int i = 0; i < at_once; ++i) {
                quads[i] = _mm256_set1_epi32(four(codes + i * padded + at));
            }
            for (int half = 0; half < halves; ++half) {
                const __m256i numbers =
                    load32(planes + (half / 2 * padded + at) * lanes + half % 2 * 32);
                for (int i = 0; i < at_once; ++i) {
                    sums[i][half] = Product::add(sums[i][half], quads[i], numbers);
                }
            }
        }
        for (int i = 0; i < at_once; ++i) {
            for (int half = 0; half < halves; ++half) {
                store32(out + (half / 2 * block_rows + row + i) * lanes + half % 2 * 8,
                        sums[i][half]);
            }
        }
    }
}

// at_once rows times the planes of n queries, 8 sums: the codes are loaded once. Every line of
// codes is prefetched `ahead` bytes ahead.
template <typename Product, int n>
void add_queries_avx2(const RowCodes &block, const std::int8_t *numbers, std::int32_t *out) {
    constexpr int at_once = 4 / n, columns = 2 * n;
    constexpr std::int64_t ahead = 4096;
    const std::int64_t padded = block.padded;
    for (std::int64_t row = 0; row < block_rows; row += at_once) {
        const std::uint8_t *codes = block.codes + row * padded;
        __m256i sums[at_once][columns];
        for (auto &row_sums : sums) {
            for (__m256i &sum : row_sums) {
                sum = _mm256_setzero_si256();
            }
        }
        for (std::int64_t at = 0; at < padded; at += 32) {
            const auto *next = reinterpret_cast<const char *>(codes + at_once * at + ahead);
            for (int line = 0; line < at_once * 32; line += 64) {
                _mm_prefetch(next + line, _MM_HINT_T0);
            }
            __m256i code32[at_once];
            for (int i = 0; i < at_once; ++i) {
                code32[i] = load32(codes + i * padded + at);
            }
            for (int column = 0; column < columns; ++column) {
                const __m256i number32 = load32(numbers + column * padded + at);
                for (int i = 0; i < at_once; ++i) {
                    sums[i][column] = Product::add(sums[i][column], code32[i], number32);
                }
            }
        }
        for (int i = 0; i < at_once; ++i) {
            for (int column = 0; column < columns; ++column) {
                out[column * block_rows + row + i] = sum_of_eight(sums[i][column]);
            }
        }
    }
}

template <typename Product>
void dots_avx2(const RowCodes &block, const std::int8_t *planes, Prefetch prefetch,
               std::int32_t *out) {
    add_planes_avx2<Product, Product::rows, 2>(block, planes, prefetch, out);
}

template <typename Product>
void dots_one_avx2(const RowCodes &block, const std::int8_t *plane, Prefetch prefetch,
                   std::int32_t *out) {
    add_planes_avx2<Product, 2 * Product::rows, 1>(block, plane, prefetch, out);
}

// Up to four queries, two at once.
constexpr std::int64_t few_queries_avx2 = 4;

template <typename Product>
void dots_few_avx2(const RowCodes &block, const std::int8_t *numbers, std::int64_t n, Prefetch,
                   std::int32_t *out) {
    std::int64_t query = 0;
    for (; query + 2 <= n; query += 2) {
        add_queries_avx2<Product, 2>(block, numbers + 2 * query * block.padded,
                                     out + 2 * query * block_rows);
    }
    if (query < n) {
        add_queries_avx2<Product, 1>(block, numbers + 2 * query * block.padded,
                                     out + 2 * query * block_rows);
    }
}

} // namespace
} // namespace twinlens
