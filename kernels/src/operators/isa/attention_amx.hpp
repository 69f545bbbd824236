// attention_amx.hpp - attention by AMX tiles of bfloat16, for 32 queries of a head at a time.
//
// Queries and keys are sums of two bfloat16 each, and scores are three products of them: an error
// of 2^-16. Softmax is in float32; its numerators and the values are single bfloat16: an error of
// 2^-9 a term. Sums are float32, in the order of the keys, and masked keys add zeros, so that
// padding changes no bit.
#pragma once

#include "operators/lanes/avx512.hpp"
// The definitions stand on the lanes.
#include "operators/definitions/activation.hpp"
#include "operators/definitions/attention.hpp"
#include "support/arithmetic.hpp"

namespace twinlens::operators {
namespace {

constexpr std::int64_t bf16_tile = 512, tile_depth = 32; // elements of a tile, and of a row of it

struct SplitBf16 {
    __m512i high, low;
};

// 32 floats, each as the sum of two bfloat16.
inline SplitBf16 split_bf16(__m512 first, __m512 second) {
    const __m512i top = _mm512_set1_epi32(static_cast<int>(0xffff0000U));
    const __m512 first_top = _mm512_castsi512_ps(_mm512_and_si512(_mm512_castps_si512(first), top));
    const __m512 second_top =
        _mm512_castsi512_ps(_mm512_and_si512(_mm512_castps_si512(second), top));
    return {(__m512i)_mm512_cvtne2ps_pbh(second_top, first_top),
            (__m512i)_mm512_cvtne2ps_pbh(_mm512_sub_ps(second, second_top),
                                         _mm512_sub_ps(first, first_top))};
}

inline SplitBf16 split_bf16_at(const float *row, std::int64_t at, std::int64_t width) {
    return split_bf16(load(row + at, lanes_from(at, width)).all,
                      load(row + at + 16, lanes_from(at + 16, width)).all);
}

// Queries, keys, values and scratch of one head, packed as tiles.
struct HeadTiles {
    std::int64_t depth;                    // of a dot product, in units of 32 elements
    std::int64_t steps;                    // of 32 keys each
    std::int64_t columns;                  // of 16 values each
    std::int64_t sums_stride;              // floats; the columns rounded up to an even number
    std::uint16_t *query_high, *query_low; // [2 tiles of queries][depth]
    std::uint16_t *key_high, *key_low;     // [2 steps][depth]
    std::uint16_t *value;                  // [steps][columns]
    std::uint16_t *softmax;                // [2 tiles of queries][steps], softmax numerators
    float *scores;                         // [32][32 steps]
    float *sums;                           // [32][sums_stride]

    HeadTiles(std::int64_t keys, std::int64_t width)
        : depth(ceil_div(width, tile_depth)), steps(ceil_div(keys, tile_depth)),
          columns(ceil_div(width, 16)), sums_stride(ceil_div(width, 32) * 32) {
        const std::int64_t queries_tiles = 2 * depth, keys_tiles = 2 * steps * depth;
        query_high = scratch<std::uint16_t>(
            Scratch::keys,
            (2 * queries_tiles + 2 * keys_tiles + steps * columns + 2 * steps) * bf16_tile);
        query_low = query_high + queries_tiles * bf16_tile;
        key_high = query_low + queries_tiles * bf16_tile;
        key_low = key_high + keys_tiles * bf16_tile;
        value = key_low + keys_tiles * bf16_tile;
        softmax = value + steps * columns * bf16_tile;
        scores = scratch<float>(Scratch::scores, 32 * (tile_depth * steps + sums_stride));
        sums = scores + 32 * tile_depth * steps;
    }
};

inline void pack_keys(const Attention &all, const Head &head, const HeadTiles &tiles) {
    for (std::int64_t tile = 0; tile < 2 * tiles.steps; ++tile) {
        for (std::int64_t at = 0; at < tiles.depth; ++at) {
            __m512i high[16], low[16];
            for (std::int64_t i = 0; i < 16; ++i) {
                const std::int64_t key = 16 * tile + i;
                const SplitBf16 both =
                    key < head.keys ? split_bf16_at(head.key + key * all.key_stride,
                                                    at * tile_depth, all.head_width)
                                    : SplitBf16{_mm512_setzero_si512(), _mm512_setzero_si512()};
                high[i] = both.high;
                low[i] = both.low;
            }
            transpose_registers(high);
            transpose_registers(low);
            const std::int64_t to = (tile * tiles.depth + at) * bf16_tile;
            for (std::int64_t i = 0; i < 16; ++i) {
                _mm512_store_si512(tiles.key_high + to + i * tile_depth, high[i]);
                _mm512_store_si512(tiles.key_low + to + i * tile_depth, low[i]);
            }
        }
    }
}

// Elements of two keys in turn, as bfloat16.
inline __m512i interleaved(__m512 first, __m512 second) {
    alignas(64) static constexpr std::uint16_t order[32] = {
        0, 16, 1, 17, 2,  18, 3,  19, 4,  20, 5,  21, 6,  22, 7,  23,
        8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31};
    return _mm512_permutexvar_epi16(_mm512_load_si512(order),
                                    (__m512i)_mm512_cvtne2ps_pbh(second, first));
}

inline void pack_values(const Attention &all, const Head &head, const HeadTiles &tiles) {
    for (std::int64_t key = 0; key < tile_depth * tiles.steps; key += 2) {
        for (std::int64_t column = 0; column < tiles.columns; ++column) {
            const float *from = head.value + key * all.value_stride + 16 * column;
            const First lanes = lanes_from(16 * column, all.head_width);
            const __m512 first = load(from, key < head.keys ? lanes : First{0}).all;
            const __m512 second =
                load(from + all.value_stride, key + 1 < head.keys ? lanes : First{0}).all;
            _mm512_store_si512(tiles.value +
                                   (key / tile_depth * tiles.columns + column) * bf16_tile +
                                   key % tile_depth / 2 * tile_depth,
                               interleaved(first, second));
        }
    }
}

inline void pack_queries(const Attention &all, const Head &head, std::int64_t first,
                         const HeadTiles &tiles) {
    for (std::int64_t i = 0; i < min<std::int64_t>(all.queries - first, 32); ++i) {
        for (std::int64_t at = 0; at < tiles.depth; ++at) {
            const SplitBf16 both = split_bf16_at(head.query + (first + i) * all.query_stride,
                                                 at * tile_depth, all.head_width);
            const std::int64_t to = (i / 16 * tiles.depth + at) * bf16_tile + i % 16 * tile_depth;
            _mm512_store_si512(tiles.query_high + to, both.high);
            _mm512_store_si512(tiles.query_low + to, both.low);
        }
    }
}

template <bool both> void add_products() {
    _tile_dpbf16ps(0, 4, 6);
    _tile_dpbf16ps(1, 4, 7);
    if constexpr (both) {
        _tile_dpbf16ps(2, 5, 6);
        _tile_dpbf16ps(3, 5, 7);
    }
}

template <bool both> void start_sums() {
    _tile_zero(0);
    _tile_zero(1);
    if constexpr (both) {
        _tile_zero(2);
        _tile_zero(3);
    }
}

template <bool both> void store_sums(float *to, std::int64_t stride) {
    const auto bytes = static_cast<std::size_t>(stride) * sizeof(float);
    _tile_stored(0, to, bytes);
    _tile_stored(1, to + 16, bytes);
    if constexpr (both) {
        _tile_stored(2, to + 16 * stride, bytes);
        _tile_stored(3, to + 16 * stride + 16, bytes);
    }
}

template <bool both> void load_rows(const std::uint16_t *upper, const std::uint16_t *lower) {
    _tile_loadd(4, upper, 64);
    if constexpr (both) {
        _tile_loadd(5, lower, 64);
    }
}

inline void load_columns(const std::uint16_t *left, const std::uint16_t *right) {
    _tile_loadd(6, left, 64);
    _tile_loadd(7, right, 64);
}

// Scores of the queries and 32 keys; `both` tiles of queries, or the upper one only.
template <bool both> void score(const HeadTiles &tiles, std::int64_t step) {
    const std::int64_t lower = tiles.depth * bf16_tile;
    start_sums<both>();
    for (std::int64_t at = 0; at < tiles.depth; ++at) {
        const std::uint16_t *high = tiles.query_high + at * bf16_tile;
        const std::uint16_t *low = tiles.query_low + at * bf16_tile;
        const std::int64_t left = (2 * step * tiles.depth + at) * bf16_tile;
        load_rows<both>(high, high + lower);
        load_columns(tiles.key_low + left, tiles.key_low + left + lower);
        add_products<both>();
        load_columns(tiles.key_high + left, tiles.key_high + left + lower);
        add_products<both>();
        load_rows<both>(low, low + lower);
        add_products<both>();
    }
    store_sums<both>(tiles.scores + step * tile_depth, tiles.steps * tile_depth);
}

// Sums of values, weighted by the numerators, for 32 columns.
template <bool both>
void add_values(const HeadTiles &tiles, std::int64_t steps, std::int64_t left) {
    const std::int64_t right = min(left + 1, tiles.columns - 1);
    start_sums<both>();
    for (std::int64_t step = 0; step < steps; ++step) {
        const std::uint16_t *rows = tiles.softmax + step * bf16_tile;
        const std::uint16_t *values = tiles.value + step * tiles.columns * bf16_tile;
        load_rows<both>(rows, rows + tiles.steps * bf16_tile);
        load_columns(values + left * bf16_tile, values + right * bf16_tile);
        add_products<both>();
    }
    store_sums<both>(tiles.sums + 16 * left, tiles.sums_stride);
}

// Softmax numerators e^(score - largest) of the first n keys, zero up to `steps`; returns 1 / their
// sum.
inline float softmax_to_bf16(const float *scores, std::int64_t n, std::int64_t steps,
                             std::uint16_t *out) {
    const Floats least = broadcast(-float_infinity);
    Floats most = least;
    for (std::int64_t at = 0; at < n; at += 16) {
        most = at_least(chosen(lanes_from(at, n), load(scores + at), least), most);
    }
    // As powers of two: the rounding of the exponents is far below that of a bfloat16.
    const Floats top = broadcast(largest(most) * log2_e);
    const auto numerators = [&](std::int64_t at) {
        const Floats t = fms(load(scores + at), broadcast(log2_e), top);
        return kept(exp2(at_least(t, broadcast(-125.0F))), lanes_from(at, n));
    };
    Floats all = zeros();
    for (std::int64_t step = 0; step < steps; ++step) {
        const Floats first = numerators(step * tile_depth);
        const Floats second = numerators(step * tile_depth + 16);
        all = all + (first + second);
        _mm512_store_si512(out + step * bf16_tile,
                           (__m512i)_mm512_cvtne2ps_pbh(second.all, first.all));
    }
    return 1.0F / sum(all);
}

template <bool both>
void attend_block(const Attention &all, const Head &head, std::int64_t first,
                  const HeadTiles &tiles) {
    const std::int64_t rows = min<std::int64_t>(all.queries - first, both ? 32 : 16);
    const std::int64_t steps = ceil_div(visible_keys(all, head, first + rows - 1), tile_depth);
    pack_queries(all, head, first, tiles);
    for (std::int64_t step = 0; step < steps; ++step) {
        score<both>(tiles, step);
    }
    float inverses[32];
    for (std::int64_t i = 0; i < rows; ++i) {
        inverses[i] = softmax_to_bf16(
            tiles.scores + i * tiles.steps * tile_depth, visible_keys(all, head, first + i), steps,
            tiles.softmax + i / 16 * tiles.steps * bf16_tile + i % 16 * tile_depth);
    }
    for (std::int64_t left = 0; left < tiles.columns; left += 2) {
        add_values<both>(tiles, steps, left);
    }
    for (std::int64_t i = 0; i < rows; ++i) {
        for (std::int64_t column = 0; column < tiles.columns; ++column) {
            const Floats sums = load(tiles.sums + i * tiles.sums_stride + 16 * column);
            store(head.out + (first + i) * head.out_stride + 16 * column,
                  sums * broadcast(inverses[i]), lanes_from(16 * column, all.head_width));
        }
    }
}

inline void attend_amx(const Attention &all, const Head &head) {
    if (head.keys == 0) {
        return zero_output(all, head);
    }
    const HeadTiles tiles(head.keys, all.head_width);
    pack_keys(all, head, tiles);
    pack_values(all, head, tiles);
    for (std::int64_t first = 0; first < all.queries; first += 32) {
        if (all.queries - first > 16) {
            attend_block<true>(all, head, first, tiles);
        } else {
            attend_block<false>(all, head, first, tiles);
        }
    }
}

} // namespace
} // namespace twinlens::operators
