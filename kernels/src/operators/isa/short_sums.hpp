// short_sums.hpp - sums of four products in 16 bits, exact, by AVX2's saturating product of bytes.
//
// One instruction multiplies 32 codes and weights and adds them in pairs, but pairs beyond 16 bits
// saturate. So weights are clipped until no code can overflow a sum of two pairs: of the weights a,
// b and c, d of one output,
//   those of one sign in each pair are at most 128 in sum, as 255 * 128 < 2^15,
//   |a| + |b| + |c| + |d| <= 255, as the sum starts at -128 (a + b + c + d), modulo 2^16, and ends
//   within 128 * 255 < 2^15.
// What clipping takes, of about one weight in 200, is added afterwards, from the codes by column.
// Six instructions multiply 64 codes and weights; eight by products of 16 bits.
#pragma once

#include <cstring>

#include <immintrin.h>

#include "operators/isa/row_groups.hpp"
#include "operators/scratch.hpp"
#include "support/arithmetic.hpp"

namespace twinlens::operators {
namespace {

// What was taken from the weight of input k.
struct Taken {
    std::int16_t k;
    std::int16_t weight; // -64 .. 64
};

// Of a number that is not 0.
inline int lowest_bit(std::uint32_t bits) {
#if defined(__GNUC__)
    return __builtin_ctz(bits);
#else
    int place = 0;
    for (; (bits & 1U) == 0; bits >>= 1) {
        ++place;
    }
    return place;
#endif
}

// 32 outputs by `steps` * 64 inputs.
struct ClippedWeights {
    static constexpr std::int64_t most_taken = 124, most_steps = Chunks::whole;

    bool fits;                                        // else more was taken than there is room for
    alignas(64) std::int32_t offsets_sum[block_side]; // of 128 * clipped weights
    std::int32_t n_taken[block_side];                 // a multiple of four
    Taken taken[block_side][most_taken + 12];         // one more clipping, and four beyond it
    alignas(64) std::int16_t offsets[2][most_steps * 8 * 32]; // [steps][8][16 outputs][2 pairs]
    alignas(64) std::int8_t codes[2][most_steps * tile_bytes];

    void fill(const Weights &weights) {
        fits = true;
        for (std::int64_t out = 0; out < block_side; ++out) {
            n_taken[out] = 0;
        }
        for (int half = 0; half < 2; ++half) {
            std::memcpy(codes[half], half == 0 ? weights.left : weights.right,
                        static_cast<std::size_t>(weights.steps * tile_bytes));
            for (int eight = 0; eight < 2; ++eight) {
                clip_eight(half, eight, 8 * weights.steps);
                sum_eight(half, eight, 8 * weights.steps);
            }
        }
        for (std::int64_t out = 0; out < block_side; ++out) {
            while (n_taken[out] % 4 != 0) {
                taken[out][n_taken[out]++] = {0, 0};
            }
        }
    }

  private:
    static __m256i pairs_of(__m256i x) { return _mm256_maddubs_epi16(_mm256_set1_epi8(1), x); }

    // Lanes of pairs that may overflow, two bits each.
    static std::uint32_t beyond(__m256i first, __m256i second) {
        const __m256i ones = _mm256_set1_epi8(1);
        const __m256i sizes = _mm256_maddubs_epi16(_mm256_abs_epi8(first), ones);
        const __m256i more = _mm256_maddubs_epi16(_mm256_abs_epi8(second), ones);
        const auto one_sign = [](__m256i size, __m256i sum) { // twice the sum of one sign
            return _mm256_cmpgt_epi16(_mm256_add_epi16(size, _mm256_abs_epi16(sum)),
                                      _mm256_set1_epi16(256));
        };
        return static_cast<std::uint32_t>(_mm256_movemask_epi8(_mm256_or_si256(
            _mm256_cmpgt_epi16(_mm256_add_epi16(sizes, more), _mm256_set1_epi16(255)),
            _mm256_or_si256(one_sign(sizes, pairs_of(first)), one_sign(more, pairs_of(second))))));
    }

    // First all places, without a branch that depends on the weights, then the clipping.
    void clip_eight(int half, int eight, std::int64_t pairs) {
        std::uint32_t masks[8 * most_steps];
        std::int64_t places[8 * most_steps + 1], n = 0;
        std::int8_t *own = codes[half] + 32 * eight;
        for (std::int64_t pair = 0; pair < pairs; ++pair) {
            masks[n] = beyond(load_half(own + 128 * pair), load_half(own + 128 * pair + 64));
            places[n] = pair;
            n += masks[n] != 0 ? 1 : 0;
        }
        for (std::int64_t i = 0; i < n; ++i) {
            for (std::uint32_t mask = masks[i]; mask != 0 && fits;
                 mask &= mask - 1, mask &= mask - 1) {
                const int lane = lowest_bit(mask) / 2;
                clip(own + 128 * places[i] + 2 * lane, 16 * half + 8 * eight + lane / 2,
                     8 * places[i] + 2 * (lane % 2));
            }
        }
    }

    void sum_eight(int half, int eight, std::int64_t pairs) {
        __m256i total = _mm256_setzero_si256();
        const std::int8_t *own = codes[half] + 32 * eight;
        std::int16_t *to = offsets[half] + 16 * eight;
        for (std::int64_t pair = 0; pair < pairs; ++pair) {
            const __m256i sum = _mm256_add_epi16(pairs_of(load_half(own + 128 * pair)),
                                                 pairs_of(load_half(own + 128 * pair + 64)));
            _mm256_store_si256(reinterpret_cast<__m256i *>(to + 32 * pair),
                               _mm256_slli_epi16(_mm256_sub_epi16(_mm256_setzero_si256(), sum), 7));
            total = _mm256_add_epi32(total, _mm256_madd_epi16(sum, _mm256_set1_epi16(1)));
        }
        _mm256_store_si256(reinterpret_cast<__m256i *>(offsets_sum + 16 * half + 8 * eight),
                           _mm256_slli_epi32(total, 7));
    }

    // The pairs at[0], at[1] and at[64], at[65], of inputs k, k + 1, k + 4 and k + 5. In numbers of
    // its own, as a store of a byte makes compilers read all else again, and with few branches.
    void clip(std::int8_t *at, std::int64_t out, std::int64_t k) {
        int signs[4], sizes[4], clipped[4];
        for (int i = 0; i < 4; ++i) {
            const int weight = at[i / 2 * 64 + i % 2];
            signs[i] = weight < 0 ? -1 : 1;
            sizes[i] = clipped[i] = weight * signs[i];
        }
        for (int i = 0; i < 4; i += 2) { // of two signs, neither alone is beyond 128
            const int largest = sizes[i] < sizes[i + 1] ? i + 1 : i;
            const int excess = signs[i] == signs[i + 1] ? sizes[i] + sizes[i + 1] - 128 : 0;
            clipped[largest] -= max(excess, 0);
        }
        for (int i = 0; i < 4; ++i) { // each one, while there is an excess
            const int excess = clipped[0] + clipped[1] + clipped[2] + clipped[3] - 255;
            clipped[i] -= clamp(excess, 0, clipped[i]);
        }
        std::int32_t n = n_taken[out];
        for (int i = 0; i < 4; ++i) {
            const auto input = static_cast<std::int16_t>(k + i / 2 * 4 + i % 2);
            const int cut = sizes[i] - clipped[i], first = min(cut, 64);
            at[i / 2 * 64 + i % 2] = static_cast<std::int8_t>(clipped[i] * signs[i]);
            taken[out][n] = {input, static_cast<std::int16_t>(first * signs[i])};
            n += cut > 0 ? 1 : 0;
            taken[out][n] = {input, static_cast<std::int16_t>((cut - first) * signs[i])};
            n += cut > 64 ? 1 : 0;
        }
        n_taken[out] = n;
        fits = n <= most_taken;
    }
};

// 16 sums of each of n rows, as add_rows; offsets [steps][8][32].
template <int n>
TWINLENS_NOINLINE void add_short(const Operands &all, const std::int16_t *offsets,
                                 const std::int32_t *from, std::int64_t from_stride,
                                 std::int32_t *to) {
    __m256i sums[n][2];
    for (int i = 0; i < n; ++i) {
        sums[i][0] = load_half(from + i * from_stride);
        sums[i][1] = load_half(from + i * from_stride + 8);
    }
    const __m256i ones = _mm256_set1_epi16(1);
    const std::int8_t *weights = all.weights;
    const std::int64_t row_bytes = all.row_bytes;
    for (std::int64_t step = 0; step < all.steps; ++step) {
        const std::uint8_t *codes = all.codes + step * all.step_bytes;
        for (int pair = 0; pair < 8; ++pair, codes += 8, weights += 128, offsets += 32) {
            const __m256i left = load_once(weights), right = load_once(weights + 32);
            const __m256i next_left = load_once(weights + 64);
            const __m256i next_right = load_once(weights + 96);
            for (int i = 0; i < n; ++i) {
                const __m256i own = four_bytes(codes + i * row_bytes);
                const __m256i next = four_bytes(codes + i * row_bytes + 4);
                const auto add = [&](__m256i sum, __m256i first, __m256i second, __m256i offset) {
                    const __m256i four =
                        _mm256_add_epi16(_mm256_add_epi16(_mm256_maddubs_epi16(own, first), offset),
                                         _mm256_maddubs_epi16(next, second));
                    return _mm256_add_epi32(sum, _mm256_madd_epi16(four, ones));
                };
                sums[i][0] = add(sums[i][0], left, next_left, load_half(offsets));
                sums[i][1] = add(sums[i][1], right, next_right, load_half(offsets + 16));
            }
        }
    }
    for (int i = 0; i < n; ++i) {
        _mm256_storeu_si256(reinterpret_cast<__m256i *>(to + i * block_side), sums[i][0]);
        _mm256_storeu_si256(reinterpret_cast<__m256i *>(to + i * block_side + 8), sums[i][1]);
    }
}

template <int most>
void add_short_of(std::int64_t n, const Operands &all, const std::int16_t *offsets,
                  const std::int32_t *from, std::int64_t from_stride, std::int32_t *to) {
    if constexpr (most > 1) {
        if (n < most) {
            return add_short_of<most - 1>(n, all, offsets, from, from_stride, to);
        }
    }
    add_short<most>(all, offsets, from, from_stride, to);
}

// Transposes 8 x 8 sums, [outputs][rows], and adds them to rows of block_side.
inline void add_transposed(const std::int32_t *from, std::int32_t *const to[8]) {
    __m256 all[8];
    for (int i = 0; i < 8; ++i) {
        all[i] = _mm256_load_ps(reinterpret_cast<const float *>(from + i * block_side));
    }
    transpose_eight(all);
    for (int i = 0; i < 8; ++i) {
        auto *at = reinterpret_cast<__m256i *>(to[i]);
        _mm256_storeu_si256(at, _mm256_add_epi32(load_half(at), _mm256_castps_si256(all[i])));
    }
}

// Adds what clipping took to the sums of a block; columns [inputs][32 rows] are its codes.
inline void add_taken(const ClippedWeights &weights, const std::uint8_t *columns,
                      std::int32_t *sums) {
    // Unpacking leaves the rows in the order 0-3, 16-19, 4-7, 20-23, 8-11 and so on.
    alignas(64) std::int32_t own[block_side][block_side];
    const __m256i ones = _mm256_set1_epi16(1);
    for (std::int64_t out = 0; out < block_side; ++out) {
        __m256i total[4] = {_mm256_setzero_si256(), _mm256_setzero_si256(), _mm256_setzero_si256(),
                            _mm256_setzero_si256()};
        for (std::int64_t at = 0; at < weights.n_taken[out]; at += 4) {
            const Taken *taken = weights.taken[out] + at;
            __m256i low[2], high[2];
            for (int i = 0; i < 2; ++i) {
                const __m256i first = load_half(columns + taken[2 * i].k * block_side);
                const __m256i second = load_half(columns + taken[2 * i + 1].k * block_side);
                const auto both = static_cast<std::int16_t>((taken[2 * i].weight & 0xff) |
                                                            taken[2 * i + 1].weight * 256);
                const __m256i pair = _mm256_set1_epi16(both);
                low[i] = _mm256_maddubs_epi16(_mm256_unpacklo_epi8(first, second), pair);
                high[i] = _mm256_maddubs_epi16(_mm256_unpackhi_epi8(first, second), pair);
            }
            const auto add = [&](__m256i &sum, __m256i products) {
                sum = _mm256_add_epi32(sum, _mm256_madd_epi16(products, ones));
            };
            add(total[0], _mm256_unpacklo_epi16(low[0], low[1]));
            add(total[1], _mm256_unpackhi_epi16(low[0], low[1]));
            add(total[2], _mm256_unpacklo_epi16(high[0], high[1]));
            add(total[3], _mm256_unpackhi_epi16(high[0], high[1]));
        }
        for (int i = 0; i < 4; ++i) {
            _mm256_store_si256(reinterpret_cast<__m256i *>(own[out] + 8 * i), total[i]);
        }
    }
    for (std::int64_t out = 0; out < block_side; out += 8) {
        for (std::int64_t eight = 0; eight < 4; ++eight) {
            std::int32_t *to[8];
            for (std::int64_t i = 0; i < 8; ++i) {
                to[i] = sums + (4 * eight + i % 4 + i / 4 * 16) * block_side + out;
            }
            add_transposed(own[out] + 8 * eight, to);
        }
    }
}

// Codes of a panel by column: [blocks of 32 rows][inputs][32 rows].
inline void write_columns(const Panel &panel, std::uint8_t *columns) {
    for (std::int64_t row = 0; row < panel.rows; row += tile_rows) {
        const std::uint8_t *tile = panel.codes + row / tile_rows * panel.steps * tile_bytes;
        std::uint8_t *to =
            columns + row / block_side * panel.steps * tile_width * block_side + row % block_side;
        for (std::int64_t step = 0; step < panel.steps; ++step, tile += tile_bytes) {
            for (std::int64_t at = 0; at < tile_width; at += 16, to += 16 * block_side) {
                __m128i rows[16], next[16];
                for (int i = 0; i < 16; ++i) {
                    rows[i] = _mm_loadu_si128(
                        reinterpret_cast<const __m128i *>(tile + i * tile_width + at));
                }
                for (int round = 0; round < 4; ++round) { // interleaves rows i and i + 8
                    for (int i = 0; i < 8; ++i) {
                        next[2 * i] = _mm_unpacklo_epi8(rows[i], rows[i + 8]);
                        next[2 * i + 1] = _mm_unpackhi_epi8(rows[i], rows[i + 8]);
                    }
                    for (int i = 0; i < 16; ++i) {
                        rows[i] = next[i];
                    }
                }
                for (int i = 0; i < 16; ++i) {
                    _mm_storeu_si128(reinterpret_cast<__m128i *>(to + i * block_side), rows[i]);
                }
            }
        }
    }
}

} // namespace
} // namespace twinlens::operators
