// avx2.cpp - the operators by AVX2. For few rows, and where clipping would take too much, codes and
// weights are widened to 16 bits, whose products are exact; else see short_sums.hpp.

#include <immintrin.h>

#include "operators/lanes/avx2.hpp"
// The definitions stand on the lanes.
#include "operators/bf16/table.hpp"
#include "operators/definitions/linear.hpp"
#include "operators/definitions/self_attention.hpp"
#include "operators/float32/table.hpp"
#include "operators/isa/row_groups.hpp"
#include "operators/isa/short_sums.hpp"
#include "operators/operator_table.hpp"

namespace twinlens::operators {
namespace {

struct Dot {
    static __m256i add(__m256i sums, __m256i codes, __m256i weights) {
        return _mm256_add_epi32(sums, _mm256_madd_epi16(codes, weights));
    }
};

inline void store_aligned(void *to, __m256i x) {
    _mm256_store_si256(static_cast<__m256i *>(to), x);
}

// A quad of bytes 0, 1, 2, 3 as the pairs (0, 2) and (1, 3) of 16 bits: of codes and of weights.
struct Widened {
    static constexpr std::int64_t most_steps = 4;
    alignas(64) std::uint8_t codes[block_side * most_steps * 2 * tile_width];

    // codes [rows][n steps][quads][2 pairs]
    void widen_codes(const std::uint8_t *from, std::int64_t row_bytes, std::int64_t rows,
                     std::int64_t steps) {
        const __m256i low_bytes = _mm256_set1_epi16(0xff);
        std::uint8_t *to = codes;
        for (std::int64_t row = 0; row < rows; ++row) {
            const std::uint8_t *at =
                from + row / tile_rows * row_bytes + row % tile_rows * tile_width;
            for (std::int64_t half = 0; half < 2 * steps; ++half, to += 64) {
                const __m256i bytes = load_half(at + half / 2 * tile_bytes + half % 2 * 32);
                const __m256i even = _mm256_and_si256(bytes, low_bytes);
                const __m256i odd = _mm256_srli_epi16(bytes, 8);
                const __m256i low = _mm256_unpacklo_epi32(even, odd);
                const __m256i high = _mm256_unpackhi_epi32(even, odd);
                store_aligned(to, _mm256_permute2x128_si256(low, high, 0x20));
                store_aligned(to + 32, _mm256_permute2x128_si256(low, high, 0x31));
            }
        }
    }

    // [steps][quads][2 pairs][16 outputs]
    static void widen_weights(const std::int8_t *from, std::int64_t steps, std::int8_t *to) {
        for (std::int64_t quad = 0; quad < 16 * steps; ++quad, from += 64, to += 128) {
            for (std::int64_t half = 0; half < 64; half += 32) {
                const __m256i bytes = load_half(from + half);
                store_aligned(to + half, _mm256_srai_epi16(_mm256_slli_epi16(bytes, 8), 8));
                store_aligned(to + half + 64, _mm256_srai_epi16(bytes, 8));
            }
        }
    }
};

struct Avx2 {
    struct Session {
        // Not trivial, so that compilers do not warn of an unused variable.
        Session() {} // NOLINT
    };
    static constexpr bool overlaps = false;
    static constexpr std::int64_t zero = 0;
    static void attend(const Attention &all, const Head &head) {
        twinlens::operators::attend(all, head);
    }

    // Below it, clipping the weights costs more than it saves: 54 ms an image of 50 tokens in place
    // of 48.
    static constexpr std::int64_t least_clipped_rows = 96;

    template <typename Between>
    static void sums(const std::uint8_t *codes, std::int64_t row_bytes, std::int64_t rows,
                     const Weights &weights, const std::int32_t *start, std::int32_t *to,
                     const Between &between) {
        if (weights.panel->rows < least_clipped_rows) {
            return wide_sums(codes, row_bytes, rows, weights, start, to, between);
        }
        auto *clipped = scratch<ClippedWeights>(Scratch::clipped, 1);
        if (!weights.again) {
            clipped->fill(weights);
        }
        if (!clipped->fits) {
            return wide_sums(codes, row_bytes, rows, weights, start, to, between);
        }
        short_sums(codes, row_bytes, rows, *clipped, weights, start, to, between);
    }

    template <typename Between>
    static void short_sums(const std::uint8_t *codes, std::int64_t row_bytes, std::int64_t rows,
                           const ClippedWeights &clipped, const Weights &weights,
                           const std::int32_t *start, std::int32_t *to, const Between &between) {
        for (std::int64_t row = 0; row < rows; ++row) {
            for (std::int64_t at = 0; at < block_side; at += 8) {
                std::int32_t *own = to + row * block_side + at;
                const __m256i sums = load_half(start != nullptr ? start + at : own);
                _mm256_storeu_si256(reinterpret_cast<__m256i *>(own),
                                    _mm256_add_epi32(sums, load_half(clipped.offsets_sum + at)));
            }
        }
        for (std::int64_t step = 0; step < weights.steps; ++step) {
            between();
        }
        for (std::int64_t first = 0; first < rows; first += tile_rows) {
            const std::int64_t n = min(rows - first, tile_rows);
            const std::int64_t groups = ceil_div(n, most_grouped);
            for (std::int64_t group = 0; group < groups; ++group) {
                const Range own = share_of(n, groups, group);
                for (int half = 0; half < 2; ++half) {
                    const Operands all{codes + first / tile_rows * row_bytes +
                                           own.first * tile_width,
                                       tile_width,
                                       tile_bytes,
                                       clipped.codes[half],
                                       weights.steps,
                                       tile_width / 4};
                    std::int32_t *sums = to + (first + own.first) * block_side + 16 * half;
                    add_short_of<most_grouped>(own.last - own.first, all, clipped.offsets[half],
                                               sums, block_side, sums);
                }
            }
        }
        add_taken(clipped,
                  columns_of(*weights.panel) +
                      (weights.row / block_side * weights.panel->steps + weights.step) *
                          tile_width * block_side,
                  to);
    }

    // Of this thread's latest panel.
    static const std::uint8_t *columns_of(const Panel &panel) {
        struct alignas(64) Head {
            std::int64_t serial, bytes;
        };
        const std::int64_t bytes =
            ceil_div(panel.rows, block_side) * block_side * panel.steps * tile_width;
        auto *head = static_cast<Head *>(
            scratch_bytes(Scratch::columns, sizeof(Head) + static_cast<std::size_t>(bytes)));
        auto *columns = reinterpret_cast<std::uint8_t *>(head + 1);
        if (head->serial != panel.serial || head->bytes != bytes) {
            write_columns(panel, columns);
            *head = {panel.serial, bytes};
        }
        return columns;
    }

    template <typename Between>
    static void wide_sums(const std::uint8_t *codes, std::int64_t row_bytes, std::int64_t rows,
                          const Weights &weights, const std::int32_t *start, std::int32_t *to,
                          const Between &between) {
        Widened wide;
        const std::int64_t column = weights.steps * 2 * tile_bytes;
        auto *widened = scratch<std::int8_t>(Scratch::weights, 2 * column);
        if (!weights.again) {
            Widened::widen_weights(weights.left, weights.steps, widened);
            Widened::widen_weights(weights.right, weights.steps, widened + column);
        }
        for (std::int64_t step = 0; step < weights.steps; step += Widened::most_steps) {
            const std::int64_t steps = min(weights.steps - step, Widened::most_steps);
            for (std::int64_t i = 0; i < steps; ++i) {
                between();
            }
            wide.widen_codes(codes + step * tile_bytes, row_bytes, rows, steps);
            for (int half = 0; half < 2; ++half) {
                const Operands all{wide.codes, steps * 2 * tile_width,
                                   0,          widened + half * column + step * 2 * tile_bytes,
                                   1,          steps * 32};
                add_groups<Dot>(rows, all,
                                step == 0 && start != nullptr ? start + 16 * half : nullptr,
                                to + 16 * half, [] {});
            }
        }
    }
};

// Clipping then takes 6 % of the time, not 25.
template <> constexpr std::int64_t most_hidden_bytes<Avx2> = 4 * hidden_bytes;

constexpr OperatorTable table() {
    OperatorTable table{};
    table.name = "avx2";
    table.reproducible = true;
    table.product = product<Avx2>;
    table.bytes_product = bytes_product<Avx2>;
    table.mlp = mlp<Avx2>;
    table.attention = attention<Avx2>;
    table.self_attention = self_attention<Avx2>;
    table.floats = float32::table_of<float32::Block<float32::Numbers, 6, 1>>();
    table.bf16_layers = bf16::table_of<float32::Block<bf16::Widened, 6, 1>>();
    return table;
}

} // namespace

constexpr OperatorTable avx2_operators = table();

} // namespace twinlens::operators
