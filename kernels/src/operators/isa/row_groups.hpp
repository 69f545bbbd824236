// row_groups.hpp - int32 sums of a block by 16 registers of 256 bits: up to 6 rows by 16 outputs.
//
// Dot::add(sums, codes, weights) adds the products of 4 bytes in each of 8 lanes: of 4 codes and
// weights, or of 2 that are widened to 16 bits.
#pragma once

#include <cstring>

#include <immintrin.h>

#include "operators/definitions/gemm.hpp"
#include "support/inline.hpp"

namespace twinlens::operators {
namespace {

constexpr std::int64_t most_grouped = 6; // 12 sums, 2 weights, a code and a product

// Codes of rows, and weights of 16 outputs; `quads` of 4 bytes a step.
struct Operands {
    const std::uint8_t *codes;
    std::int64_t row_bytes, step_bytes; // of codes, from one row or step to the next
    const std::int8_t *weights;         // [steps][quads][64]
    std::int64_t steps, quads;
};

inline __m256i four_bytes(const std::uint8_t *from) {
    std::int32_t four;
    std::memcpy(&four, from, sizeof four);
    return _mm256_set1_epi32(four);
}

inline __m256i load_half(const void *from) {
    return _mm256_loadu_si256(static_cast<const __m256i *>(from));
}

// Loads once: compilers else load the weights again for each row, and three loads for four other
// instructions take half as long again.
inline __m256i load_once(const void *from) {
    __m256i loaded = load_half(from);
#if defined(__GNUC__)
    __asm__("" : "+x"(loaded));
#endif
    return loaded;
}

// Not inlined: in a larger function the sums no longer stay in registers.
//
// to [n][a row of block_side]: 16 sums of each row. `from` a row of them, or where they are stored.
template <typename Dot, int n, typename Between>
TWINLENS_NOINLINE void add_rows(const Operands &all, const std::int32_t *from,
                                std::int64_t from_stride, std::int32_t *to,
                                const Between &between) {
    __m256i sums[n][2];
    for (int i = 0; i < n; ++i) {
        sums[i][0] = load_half(from + i * from_stride);
        sums[i][1] = load_half(from + i * from_stride + 8);
    }
    const std::int8_t *weights = all.weights;
    const std::int64_t row_bytes = all.row_bytes;
    for (std::int64_t step = 0; step < all.steps; ++step) {
        const std::uint8_t *codes = all.codes + step * all.step_bytes;
        between();
        for (std::int64_t quad = 0; quad < all.quads; ++quad, codes += 4, weights += 64) {
            const __m256i left = load_once(weights), right = load_once(weights + 32);
            for (int i = 0; i < n; ++i) {
                const __m256i own = four_bytes(codes + i * row_bytes);
                sums[i][0] = Dot::add(sums[i][0], own, left);
                sums[i][1] = Dot::add(sums[i][1], own, right);
            }
        }
    }
    for (int i = 0; i < n; ++i) {
        _mm256_storeu_si256(reinterpret_cast<__m256i *>(to + i * block_side), sums[i][0]);
        _mm256_storeu_si256(reinterpret_cast<__m256i *>(to + i * block_side + 8), sums[i][1]);
    }
}

template <typename Dot, int most, typename Between>
void add_rows_of(std::int64_t n, const Operands &all, const std::int32_t *from,
                 std::int64_t from_stride, std::int32_t *to, const Between &between) {
    if constexpr (most > 1) {
        if (n < most) {
            return add_rows_of<Dot, most - 1>(n, all, from, from_stride, to, between);
        }
    }
    add_rows<Dot, most>(all, from, from_stride, to, between);
}

// All rows, in groups of nearly the same size, as small ones wait for their sums. start: of 16
// outputs, or null.
template <typename Dot, typename Between>
void add_groups(std::int64_t rows, Operands all, const std::int32_t *start, std::int32_t *to,
                const Between &between) {
    const std::int64_t groups = ceil_div(rows, most_grouped);
    const std::uint8_t *codes = all.codes;
    for (std::int64_t group = 0; group < groups; ++group) {
        const Range own = share_of(rows, groups, group);
        all.codes = codes + own.first * all.row_bytes;
        std::int32_t *sums = to + own.first * block_side;
        const auto add = [&](const auto &each) {
            add_rows_of<Dot, most_grouped>(own.last - own.first, all,
                                           start != nullptr ? start : sums,
                                           start != nullptr ? 0 : block_side, sums, each);
        };
        if (group == 0) {
            add(between);
        } else {
            add([] {});
        }
    }
}

} // namespace
} // namespace twinlens::operators
