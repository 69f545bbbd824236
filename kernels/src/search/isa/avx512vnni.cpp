// avx512vnni.cpp - AVX-512 VNNI: 64 products of codes and components in one instruction.

#include <cstring>

#include <immintrin.h>

#include "resample/avx512.hpp"
#include "search/isa/code_score.hpp"
#include "search/isa/encode_row.hpp"
#include "search/isa/x86/dot_few_avx512.hpp"
#include "search/isa/x86/dpbusd_avx512.hpp"
#include "search/isa/x86/exact_score_avx512.hpp"
#include "search/isa/x86/prune_avx512.hpp"
#include "search/isa/x86/trickle.hpp"
#include "search/kernel_table.hpp"

namespace twinlens {
namespace {

int four(const std::uint8_t *codes) {
    int quad;
    std::memcpy(&quad, codes, sizeof quad);
    return quad;
}

// The compiler derives no other address from this one.
inline void hide(const std::uint8_t *&address) {
#if defined(__GNUC__)
    __asm__("" : "+r"(address));
#else
    (void)address;
#endif
}

// at_once rows times n_planes planes: 16 sums in flight. With two planes 10 loads for 16 products,
// with one plane 17, of two a cycle.
template <int at_once, int n_planes>
void add_planes(const RowCodes &block, const std::int8_t *planes, Prefetch prefetch,
                std::int32_t *out) {
    const std::int64_t padded = block.padded;
    Trickle lines(prefetch, at_once);
    for (std::int64_t row = 0; row < block_rows; row += at_once) {
        // Of four rows each: addresses that one register holds, with multiples of `padded`. GCC
        // would keep one of each row, in vector registers for want of others: 670 GOP/s in place of
        // 1,000.
        const std::uint8_t *codes[at_once / 4];
        for (int four_rows = 0; four_rows < at_once / 4; ++four_rows) {
            codes[four_rows] = block.codes + (row + 4 * four_rows) * padded;
        }
        __m512i sums[at_once][n_planes];
        for (auto &of_row : sums) {
            for (__m512i &sum : of_row) {
                sum = _mm512_setzero_si512();
            }
        }
        for (std::int64_t at = 0; at < padded; at += 4) {
            lines.advance();
            __m512i numbers[n_planes];
            for (int plane = 0; plane < n_planes; ++plane) {
                numbers[plane] = _mm512_load_si512(planes + (plane * padded + at) * lanes);
            }
            for (const std::uint8_t *&four_rows : codes) {
                hide(four_rows);
            }
            for (int i = 0; i < at_once; ++i) {
                const __m512i quad = _mm512_set1_epi32(four(codes[i / 4] + i % 4 * padded));
                for (int plane = 0; plane < n_planes; ++plane) {
                    sums[i][plane] = add_products(sums[i][plane], quad, numbers[plane]);
                }
            }
            for (const std::uint8_t *&four_rows : codes) {
                four_rows += 4;
            }
        }
        for (int i = 0; i < at_once; ++i) {
            for (int plane = 0; plane < n_planes; ++plane) {
                _mm512_store_si512(out + (plane * block_rows + row + i) * lanes, sums[i][plane]);
            }
        }
    }
}

constexpr KernelTable table() {
    KernelTable table{};
    table.name = "avx512vnni";
    table.levels = 127;
    table.few_queries = few_queries_avx512;
    table.dots = add_planes<8, 2>;
    table.dots_one = add_planes<16, 1>;
    table.dots_few = dots_few_avx512<4096>;
    table.prune = prune_avx512;
    table.prune_few = prune_lane_avx512;
    table.exact_score = exact_score_avx512;
    table.exact_scores = exact_scores_avx512;
    table.code_score = code_score;
    table.encode_row = encode_row;
    table.across = across_avx512;
    table.down = down_avx512;
    return table;
}

} // namespace

constexpr KernelTable avx512vnni_kernels = table();

} // namespace twinlens
