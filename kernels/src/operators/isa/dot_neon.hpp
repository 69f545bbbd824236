// dot_neon.hpp - engine of gemm.hpp by NEON, with dot products where the file's set has them.
//
// The products are of signed bytes, so 128 is subtracted from the codes: see `zero`.
#pragma once

#include <arm_neon.h>

#include "cpu/dot_neon.hpp"
#include "operators/definitions/gemm.hpp"

namespace twinlens::operators {
namespace {

struct Neon {
    struct Session {
        // Not trivial, so that compilers do not warn of an unused variable.
        Session() {} // NOLINT
    };
    static constexpr bool overlaps = false;
    static constexpr std::int64_t zero = 128;
    static void attend(const Attention &all, const Head &head) {
        twinlens::operators::attend(all, head);
    }

    // Rows by 16 outputs: 16 of the 32 registers hold sums.
    static constexpr int at_once = has_dot_products ? 4 : 2;

    template <int quad, int rows>
    static void add_quad(QuadSums (&sums)[rows][4], const int8x16_t (&codes)[rows],
                         const std::int8_t *weights) {
        for (int part = 0; part < 4; ++part) {
            const int8x16_t four_outputs = vld1q_s8(weights + quad * 64 + 16 * part);
            for (int row = 0; row < rows; ++row) {
                sums[row][part].template add_quad<quad>(four_outputs, codes[row]);
            }
        }
    }

    // Adds to `from`, a row of sums or where they are stored.
    template <typename Between>
    [[gnu::noinline]] static void add(const std::uint8_t *codes, const std::int8_t *weights,
                                      std::int64_t steps, const std::int32_t *from,
                                      std::int64_t from_stride, std::int32_t *to,
                                      const Between &between) {
        QuadSums sums[at_once][4];
        for (std::int64_t step = 0; step < steps; ++step, codes += tile_bytes) {
            between();
            for (std::int64_t at = 0; at < tile_width; at += 16, weights += 256) {
                int8x16_t own[at_once];
                for (int row = 0; row < at_once; ++row) {
                    const uint8x16_t bytes = vld1q_u8(codes + row * tile_width + at);
                    own[row] = vreinterpretq_s8_u8(veorq_u8(bytes, vdupq_n_u8(128)));
                }
                add_quad<0>(sums, own, weights);
                add_quad<1>(sums, own, weights);
                add_quad<2>(sums, own, weights);
                add_quad<3>(sums, own, weights);
            }
        }
        for (int row = 0; row < at_once; ++row) {
            for (int part = 0; part < 4; ++part) {
                const int32x4_t before = vld1q_s32(from + row * from_stride + 4 * part);
                vst1q_s32(to + row * block_side + 4 * part,
                          vaddq_s32(before, sums[row][part].totals()));
            }
        }
    }

    template <typename Between>
    static void sums(const std::uint8_t *codes, std::int64_t row_bytes, std::int64_t rows,
                     const Weights &weights, const std::int32_t *start, std::int32_t *to,
                     const Between &between) {
        for (std::int64_t half = 0; half < 2; ++half) {
            const std::int8_t *own = half == 0 ? weights.left : weights.right;
            for (std::int64_t row = 0; row < rows; row += at_once) {
                const std::uint8_t *first =
                    codes + row / tile_rows * row_bytes + row % tile_rows * tile_width;
                std::int32_t *sums = to + row * block_side + 16 * half;
                const std::int32_t *from = start != nullptr ? start + 16 * half : sums;
                const std::int64_t stride = start != nullptr ? 0 : block_side;
                if (row + half == 0) {
                    add(first, own, weights.steps, from, stride, sums, between);
                } else {
                    add(first, own, weights.steps, from, stride, sums, [] {});
                }
            }
        }
    }
};

} // namespace
} // namespace twinlens::operators
