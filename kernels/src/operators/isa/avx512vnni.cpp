// avx512vnni.cpp - the operators by AVX-512 VNNI: 64 products of codes and weights at once.

#include <cstring>

#include <immintrin.h>

#include "operators/lanes/avx512.hpp"
// The definitions stand on the lanes.
#include "operators/bf16/table.hpp"
#include "operators/definitions/linear.hpp"
#include "operators/definitions/self_attention.hpp"
#include "operators/float32/table.hpp"
#include "operators/operator_table.hpp"
#include "support/unrolled.hpp"

namespace twinlens::operators {
namespace {

inline __m512i quad(const std::uint8_t *codes) {
    int four;
    std::memcpy(&four, codes, sizeof four);
    return _mm512_set1_epi32(four);
}

struct Vnni {
    struct Session {
        // Not trivial, so that compilers do not warn of an unused variable.
        Session() {} // NOLINT
    };
    static constexpr bool overlaps = false;
    static constexpr std::int64_t zero = 0;
    static void attend(const Attention &all, const Head &head) {
        twinlens::operators::attend(all, head);
    }

    static constexpr int at_once = 8;

    // 8 rows of a tile by 32 outputs: 16 sums, and 10 loads for 16 products.
    template <typename Between>
    static void add(const std::uint8_t *codes, const Weights &weights, const std::int32_t *start,
                    std::int32_t *sums, const Between &between) {
        const std::int8_t *left = weights.left, *right = weights.right;
        __m512i lefts[at_once], rights[at_once];
        unrolled<at_once>([&](auto index) {
            constexpr int i = decltype(index)::value;
            const std::int32_t *from = start != nullptr ? start : sums + i * block_side;
            lefts[i] = _mm512_load_si512(from);
            rights[i] = _mm512_load_si512(from + 16);
        });
        for (std::int64_t step = 0; step < weights.steps;
             ++step, codes += tile_bytes - tile_width) {
            between();
            for (int k = 0; k < 16; ++k, codes += 4, left += 64, right += 64) {
                const __m512i left_weights = _mm512_loadu_si512(left);
                const __m512i right_weights = _mm512_loadu_si512(right);
                unrolled<at_once>([&](auto index) {
                    constexpr int i = decltype(index)::value;
                    const __m512i own = quad(codes + i * tile_width);
                    lefts[i] = _mm512_dpbusd_epi32(lefts[i], own, left_weights);
                    rights[i] = _mm512_dpbusd_epi32(rights[i], own, right_weights);
                });
            }
        }
        unrolled<at_once>([&](auto index) {
            constexpr int i = decltype(index)::value;
            _mm512_store_si512(sums + i * block_side, lefts[i]);
            _mm512_store_si512(sums + i * block_side + 16, rights[i]);
        });
    }

    template <typename Between>
    static void sums(const std::uint8_t *codes, std::int64_t row_bytes, std::int64_t rows,
                     const Weights &weights, const std::int32_t *start, std::int32_t *to,
                     const Between &between) {
        add(codes, weights, start, to, between);
        for (std::int64_t row = at_once; row < rows; row += at_once) {
            add(codes + row / tile_rows * row_bytes + row % tile_rows * tile_width, weights, start,
                to + row * block_side, [] {});
        }
    }
};

constexpr OperatorTable table() {
    OperatorTable table{};
    table.name = "avx512vnni";
    table.reproducible = true;
    table.product = product<Vnni>;
    table.bytes_product = bytes_product<Vnni>;
    table.mlp = mlp<Vnni>;
    table.attention = attention<Vnni>;
    table.self_attention = self_attention<Vnni>;
    table.floats = float32::table_of<float32::Block<float32::Numbers, 14, 2>>();
    table.bf16_layers = bf16::table_of<float32::Block<bf16::Widened, 14, 2>>();
    return table;
}

} // namespace

constexpr OperatorTable avx512vnni_operators = table();

} // namespace twinlens::operators
