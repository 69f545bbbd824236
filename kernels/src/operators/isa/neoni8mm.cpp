// neoni8mm.cpp - the operators by ARM's matrix products of bytes (usmmla): two rows of codes by two
// outputs, eight inputs at once.

#include <arm_neon.h>

#include "operators/lanes/neon.hpp"
// The definitions stand on the lanes.
#include "operators/bf16/table.hpp"
#include "operators/definitions/linear.hpp"
#include "operators/definitions/self_attention.hpp"
#include "operators/float32/table.hpp"
#include "operators/operator_table.hpp"

namespace twinlens::operators {
namespace {

struct I8mm {
    struct Session {
        // Not trivial, so that compilers do not warn of an unused variable.
        Session() {} // NOLINT
    };
    static constexpr bool overlaps = false;
    static constexpr std::int64_t zero = 0;
    static void attend(const Attention &all, const Head &head) {
        twinlens::operators::attend(all, head);
    }

    // 6 pairs of rows by 8 outputs: 24 of the 32 registers hold sums.
    static constexpr std::int64_t most_pairs = 6, most_steps = Chunks::whole;

    // Codes of pairs of rows, [eights of inputs][pairs][2 rows][8]; returns the end.
    static void pair_rows(const std::uint8_t *codes, std::int64_t row_bytes, Range pairs,
                          std::int64_t steps, std::uint8_t *to) {
        const std::int64_t n = pairs.last - pairs.first;
        for (std::int64_t pair = pairs.first; pair < pairs.last; ++pair, to += 16) {
            const std::int64_t row = 2 * pair;
            const std::uint8_t *from =
                codes + row / tile_rows * row_bytes + row % tile_rows * tile_width;
            std::uint8_t *own = to;
            for (std::int64_t step = 0; step < steps; ++step, from += tile_bytes) {
                for (std::int64_t at = 0; at < tile_width; at += 16, own += 32 * n) {
                    const auto upper = vreinterpretq_u64_u8(vld1q_u8(from + at));
                    const auto lower = vreinterpretq_u64_u8(vld1q_u8(from + tile_width + at));
                    vst1q_u8(own, vreinterpretq_u8_u64(vzip1q_u64(upper, lower)));
                    vst1q_u8(own + 16 * n, vreinterpretq_u8_u64(vzip2q_u64(upper, lower)));
                }
            }
        }
    }

    struct Sums {
        const std::int32_t *from; // 8 of the first row
        std::int64_t from_stride;
        std::int32_t *to;

        void write(std::int64_t row, std::int64_t at, int64x2_t more) const {
            const int32x4_t before = vld1q_s32(from + row * from_stride + at);
            vst1q_s32(to + row * block_side + at, vaddq_s32(before, vreinterpretq_s32_s64(more)));
        }
    };

    // Pairs of rows by 8 outputs, whose weights begin there in each quad.
    template <int pairs, typename Between>
    [[gnu::noinline]] static void add(const std::uint8_t *paired, const std::int8_t *weights,
                                      std::int64_t steps, const Sums &out, const Between &between) {
        int32x4_t sums[pairs][4];
        for (auto &pair : sums) {
            for (int32x4_t &sum : pair) {
                sum = vdupq_n_s32(0);
            }
        }
        for (std::int64_t step = 0; step < steps; ++step) {
            between();
#pragma GCC unroll 1
            for (int eight = 0; eight < 8; ++eight, weights += 128, paired += 16 * pairs) {
                int8x16_t outputs[4]; // pairs of them
                for (int half = 0; half < 2; ++half) {
                    const auto upper = vreinterpretq_s32_s8(vld1q_s8(weights + 16 * half));
                    const auto lower = vreinterpretq_s32_s8(vld1q_s8(weights + 64 + 16 * half));
                    outputs[2 * half] = vreinterpretq_s8_s32(vzip1q_s32(upper, lower));
                    outputs[2 * half + 1] = vreinterpretq_s8_s32(vzip2q_s32(upper, lower));
                }
                for (int pair = 0; pair < pairs; ++pair) {
                    const uint8x16_t codes = vld1q_u8(paired + 16 * pair);
                    for (int i = 0; i < 4; ++i) {
                        sums[pair][i] = vusmmlaq_s32(sums[pair][i], codes, outputs[i]);
                    }
                }
            }
        }
        for (int pair = 0; pair < pairs; ++pair) {
            for (int half = 0; half < 2; ++half) {
                const auto left = vreinterpretq_s64_s32(sums[pair][2 * half]);
                const auto right = vreinterpretq_s64_s32(sums[pair][2 * half + 1]);
                out.write(2 * pair, 4 * half, vzip1q_s64(left, right));
                out.write(2 * pair + 1, 4 * half, vzip2q_s64(left, right));
            }
        }
    }

    // The same for n of at most `most` pairs.
    template <int most, typename Between>
    static void add_of(std::int64_t n, const std::uint8_t *paired, const std::int8_t *weights,
                       std::int64_t steps, const Sums &out, const Between &between) {
        if constexpr (most > 1) {
            if (n < most) {
                return add_of<most - 1>(n, paired, weights, steps, out, between);
            }
        }
        add<most>(paired, weights, steps, out, between);
    }

    template <typename Between>
    static void sums(const std::uint8_t *codes, std::int64_t row_bytes, std::int64_t rows,
                     const Weights &weights, const std::int32_t *start, std::int32_t *to,
                     const Between &between) {
        alignas(64) std::uint8_t paired[most_pairs * 2 * tile_width * most_steps];
        const std::int64_t pairs = ceil_div(rows, 2), groups = ceil_div(pairs, most_pairs);
        for (std::int64_t group = 0; group < groups; ++group) {
            const Range own = share_of(pairs, groups, group);
            const std::int64_t n = own.last - own.first;
            pair_rows(codes, row_bytes, own, weights.steps, paired);
            for (std::int64_t at = 0; at < block_side; at += 8) {
                const std::int8_t *eight = (at < 16 ? weights.left : weights.right) + at % 16 * 4;
                std::int32_t *first = to + 2 * own.first * block_side + at;
                const Sums out{start != nullptr ? start + at : first,
                               start != nullptr ? 0 : block_side, first};
                if (group + at == 0) {
                    add_of<most_pairs>(n, paired, eight, weights.steps, out, between);
                } else {
                    add_of<most_pairs>(n, paired, eight, weights.steps, out, [] {});
                }
            }
        }
    }
};

constexpr OperatorTable table() {
    OperatorTable table{};
    table.name = "neoni8mm";
    table.reproducible = true;
    table.product = product<I8mm>;
    table.bytes_product = bytes_product<I8mm>;
    table.mlp = mlp<I8mm>;
    table.attention = attention<I8mm>;
    table.self_attention = self_attention<I8mm>;
    table.floats = float32::table_of<float32::Block<float32::Numbers, 6, 1>>();
    table.bf16_layers = bf16::table_of<float32::Block<bf16::Widened, 6, 1>>();
    return table;
}

} // namespace

constexpr OperatorTable neoni8mm_operators = table();

} // namespace twinlens::operators
