// avxvnni.cpp - the operators by AVX-VNNI: 32 products of codes and weights at once.

#include <immintrin.h>

#include "operators/lanes/avx2.hpp"
// The definitions stand on the lanes.
#include "operators/bf16/table.hpp"
#include "operators/definitions/linear.hpp"
#include "operators/definitions/self_attention.hpp"
#include "operators/float32/table.hpp"
#include "operators/isa/row_groups.hpp"
#include "operators/operator_table.hpp"

namespace twinlens::operators {
namespace {

struct Dot {
    static __m256i add(__m256i sums, __m256i codes, __m256i weights) {
        return _mm256_dpbusd_avx_epi32(sums, codes, weights);
    }
};

struct AvxVnni {
    struct Session {
        // Not trivial, so that compilers do not warn of an unused variable.
        Session() {} // NOLINT
    };
    static constexpr bool overlaps = false;
    static constexpr std::int64_t zero = 0;
    static void attend(const Attention &all, const Head &head) {
        twinlens::operators::attend(all, head);
    }

    template <typename Between>
    static void sums(const std::uint8_t *codes, std::int64_t row_bytes, std::int64_t rows,
                     const Weights &weights, const std::int32_t *start, std::int32_t *to,
                     const Between &between) {
        for (std::int64_t first = 0; first < rows; first += tile_rows) {
            const std::int64_t n = min(rows - first, tile_rows);
            Operands all{codes + first / tile_rows * row_bytes,
                         tile_width,
                         tile_bytes,
                         weights.left,
                         weights.steps,
                         tile_width / 4};
            std::int32_t *sums = to + first * block_side;
            if (first == 0) {
                add_groups<Dot>(n, all, start, sums, between);
            } else {
                add_groups<Dot>(n, all, start, sums, [] {});
            }
            all.weights = weights.right;
            add_groups<Dot>(n, all, start != nullptr ? start + 16 : nullptr, sums + 16, [] {});
        }
    }
};

constexpr OperatorTable table() {
    OperatorTable table{};
    table.name = "avxvnni";
    table.reproducible = true;
    table.product = product<AvxVnni>;
    table.bytes_product = bytes_product<AvxVnni>;
    table.mlp = mlp<AvxVnni>;
    table.attention = attention<AvxVnni>;
    table.self_attention = self_attention<AvxVnni>;
    table.floats = float32::table_of<float32::Block<float32::Numbers, 6, 1>>();
    table.bf16_layers = bf16::table_of<float32::Block<bf16::Widened, 6, 1>>();
    return table;
}

} // namespace

constexpr OperatorTable avxvnni_operators = table();

} // namespace twinlens::operators
