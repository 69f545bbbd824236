// attention_avx512.hpp - attention in float32, by AVX-512.
//
// One head of one item at a time: its keys are transposed, so that one register holds 16 of them;
// then six queries at once get their scores, softmax and sum of values. Sums are in the order of
// the keys, and masked keys add zeros, so that padding changes no bit.
#pragma once

#include <immintrin.h>

#include "operators/isa/quantize_rows_avx512.hpp"
#include "operators/scratch.hpp"
#include "operators/work_split.hpp"
#include "support/arithmetic.hpp"

namespace twinlens::operators {
namespace {

constexpr std::int64_t at_once = 6, most_vectors = 4;

// One head of one item.
struct Head {
    const float *query, *key, *value;
    float *out;
    std::int64_t out_stride, keys; // keys of the item
};

inline Head head_of(const Attention &all, float *out, std::int64_t out_stride, std::int64_t index) {
    const std::int64_t item = index / all.heads, at = index % all.heads * all.head_width;
    const std::int64_t seen =
        all.counts == nullptr ? all.keys : clamp<std::int64_t>(all.counts[item], 0, all.keys);
    return {all.query + item * all.queries * all.query_stride + at,
            all.key + item * all.keys * all.key_stride + at,
            all.value + item * all.keys * all.value_stride + at,
            out + item * all.queries * out_stride + at,
            out_stride,
            seen};
}

// Keys that a query attends to.
inline std::int64_t visible_keys(const Attention &all, const Head &head, std::int64_t query) {
    return all.causal ? min(query + 1, head.keys) : head.keys;
}

// Transposes 16 x 16 elements in place.
inline void transpose(__m512i rows[16]) {
    __m512i pairs[16], fours[16];
    for (int i = 0; i < 16; i += 2) {
        pairs[i] = _mm512_unpacklo_epi32(rows[i], rows[i + 1]);
        pairs[i + 1] = _mm512_unpackhi_epi32(rows[i], rows[i + 1]);
    }
    for (int i = 0; i < 16; i += 4) {
        fours[i] = _mm512_unpacklo_epi64(pairs[i], pairs[i + 2]);
        fours[i + 1] = _mm512_unpackhi_epi64(pairs[i], pairs[i + 2]);
        fours[i + 2] = _mm512_unpacklo_epi64(pairs[i + 1], pairs[i + 3]);
        fours[i + 3] = _mm512_unpackhi_epi64(pairs[i + 1], pairs[i + 3]);
    }
    for (int i = 0; i < 4; ++i) {
        const __m512i even_low = _mm512_shuffle_i32x4(fours[i], fours[i + 4], 0x88);
        const __m512i odd_low = _mm512_shuffle_i32x4(fours[i], fours[i + 4], 0xdd);
        const __m512i even_high = _mm512_shuffle_i32x4(fours[i + 8], fours[i + 12], 0x88);
        const __m512i odd_high = _mm512_shuffle_i32x4(fours[i + 8], fours[i + 12], 0xdd);
        rows[i] = _mm512_shuffle_i32x4(even_low, even_high, 0x88);
        rows[i + 4] = _mm512_shuffle_i32x4(odd_low, odd_high, 0x88);
        rows[i + 8] = _mm512_shuffle_i32x4(even_low, even_high, 0xdd);
        rows[i + 12] = _mm512_shuffle_i32x4(odd_low, odd_high, 0xdd);
    }
}

// Transposes keys [keys, width] to [width][keys rounded up to a multiple of 16], zero beyond the
// last.
inline void transpose_keys(const Head &head, std::int64_t stride, std::int64_t width,
                           float *transposed, std::int64_t transposed_stride) {
    for (std::int64_t key = 0; key < head.keys; key += 16) {
        for (std::int64_t at = 0; at < width; at += 16) {
            const __mmask16 lanes = lanes_from(at, width);
            __m512i rows[16];
            for (std::int64_t i = 0; i < 16; ++i) {
                const float *from = head.key + (key + i) * stride + at;
                rows[i] = key + i < head.keys
                              ? _mm512_castps_si512(_mm512_maskz_loadu_ps(lanes, from))
                              : _mm512_setzero_si512();
            }
            transpose(rows);
            for (std::int64_t i = 0; i < min<std::int64_t>(width - at, 16); ++i) {
                _mm512_store_si512(transposed + (at + i) * transposed_stride + key, rows[i]);
            }
        }
    }
}

// to[row][16 * vectors] = sum over n of scalars[row][n] * vectors[n], for at_once rows: the inner
// loop of both products. `last` masks the last vector.
template <int vectors>
void sums_of_products(const float *const scalars[at_once], const float *rows, std::int64_t stride,
                      std::int64_t n, __mmask16 last, __m512 sums[at_once][vectors]) {
    for (std::int64_t i = 0; i < at_once; ++i) {
        for (int v = 0; v < vectors; ++v) {
            sums[i][v] = _mm512_setzero_ps();
        }
    }
    for (std::int64_t k = 0; k < n; ++k) {
        __m512 row[vectors];
        for (int v = 0; v < vectors; ++v) {
            const float *from = rows + k * stride + 16 * v;
            row[v] = v + 1 < vectors ? _mm512_loadu_ps(from) : _mm512_maskz_loadu_ps(last, from);
        }
        for (std::int64_t i = 0; i < at_once; ++i) {
            const __m512 scalar = broadcast(scalars[i][k]);
            for (int v = 0; v < vectors; ++v) {
                sums[i][v] = _mm512_fmadd_ps(scalar, row[v], sums[i][v]);
            }
        }
    }
}

struct Rows {
    const float *scalars[at_once];
    const float *rows;
    std::int64_t stride, n; // of rows
    float *to[at_once];
};

template <int vectors>
void products_at(const Rows &all, std::int64_t at, __mmask16 last, const float factors[at_once]) {
    __m512 sums[at_once][vectors];
    sums_of_products<vectors>(all.scalars, all.rows + at, all.stride, all.n, last, sums);
    for (std::int64_t i = 0; i < at_once; ++i) {
        for (int v = 0; v < vectors; ++v) {
            const __mmask16 lanes = v + 1 < vectors ? __mmask16{0xffff} : last;
            _mm512_mask_storeu_ps(all.to[i] + at + 16 * v, lanes,
                                  _mm512_mul_ps(sums[i][v], broadcast(factors[i])));
        }
    }
}

// to[i][0 .. width) = factors[i] * sum over k of scalars[i][k] * rows[k].
inline void products(const Rows &all, std::int64_t width, const float factors[at_once]) {
    for (std::int64_t at = 0; at < width; at += 16 * most_vectors) {
        const std::int64_t vectors = min(ceil_div(width - at, 16), most_vectors);
        const __mmask16 last = lanes_from(at + 16 * (vectors - 1), width);
        switch (vectors) {
        case 1:
            products_at<1>(all, at, last, factors);
            break;
        case 2:
            products_at<2>(all, at, last, factors);
            break;
        case 3:
            products_at<3>(all, at, last, factors);
            break;
        default:
            products_at<4>(all, at, last, factors);
        }
    }
}

// Replaces the first n scores by e^(score - largest), and those up to `padded` by zero; returns 1 /
// their sum.
inline float softmax_numerators(float *scores, std::int64_t n, std::int64_t padded) {
    const __m512 least = broadcast(-float_infinity);
    __m512 most = least;
    for (std::int64_t at = 0; at < n; at += 16) {
        const __m512 part = _mm512_load_ps(scores + at);
        most = _mm512_mask_max_ps(most, lanes_from(at, n), most, part);
    }
    most = broadcast(_mm512_reduce_max_ps(most));
    __m512 sum = _mm512_setzero_ps();
    std::int64_t at = 0;
    for (; at < n; at += 16) {
        const __m512 part = _mm512_maskz_mov_ps(
            lanes_from(at, n), exp_below_zero(_mm512_sub_ps(_mm512_load_ps(scores + at), most)));
        sum = _mm512_add_ps(sum, part);
        _mm512_store_ps(scores + at, part);
    }
    for (; at < padded; at += 16) {
        _mm512_store_ps(scores + at, _mm512_setzero_ps());
    }
    return 1.0F / _mm512_reduce_add_ps(sum);
}

// Attention of queries first .. first + at_once - 1; beyond the last query, the last is repeated.
inline void attend_queries(const Attention &all, const Head &head, std::int64_t first,
                           const float *transposed, std::int64_t transposed_stride, float *scores) {
    const std::int64_t last = min(first + at_once, all.queries) - 1;
    const std::int64_t seen = visible_keys(all, head, last);
    const std::int64_t padded = ceil_div(seen, 16) * 16;
    constexpr float ones[at_once] = {1, 1, 1, 1, 1, 1};
    float inverses[at_once];
    Rows scoring{{}, transposed, transposed_stride, all.head_width, {}};
    Rows adding{{}, head.value, all.value_stride, seen, {}};
    for (std::int64_t i = 0; i < at_once; ++i) {
        const std::int64_t query = min(first + i, last);
        scoring.scalars[i] = head.query + query * all.query_stride;
        adding.scalars[i] = scoring.to[i] = scores + i * transposed_stride;
        adding.to[i] = head.out + query * head.out_stride;
    }
    products(scoring, padded, ones);
    for (std::int64_t i = 0; i < at_once; ++i) {
        inverses[i] = softmax_numerators(scoring.to[i],
                                         visible_keys(all, head, min(first + i, last)), padded);
    }
    products(adding, all.head_width, inverses);
}

inline void zero_output(const Attention &all, const Head &head) {
    for (std::int64_t query = 0; query < all.queries; ++query) {
        for (std::int64_t i = 0; i < all.head_width; ++i) {
            head.out[query * head.out_stride + i] = 0;
        }
    }
}

inline void attend(const Attention &all, const Head &head) {
    if (head.keys == 0) {
        return zero_output(all, head);
    }
    const std::int64_t padded = ceil_div(all.keys, 16) * 16;
    auto *transposed = scratch<float>(Scratch::keys, all.head_width * padded);
    auto *scores = scratch<float>(Scratch::scores, at_once * padded);
    transpose_keys(head, all.key_stride, all.head_width, transposed, padded);
    for (std::int64_t query = 0; query < all.queries; query += at_once) {
        attend_queries(all, head, query, transposed, padded, scores);
    }
}

// Four parts a thread, as other work may slow one thread down.
template <typename Engine> void attention(const Attention &all, float *out, const Pool &pool) {
    if (all.queries == 0) { // of a batch that may have any size
        return;
    }
    const std::int64_t heads = all.batch * all.heads;
    const std::int64_t threads = max(pool.threads, 1);
    const std::int64_t parts = min(heads, threads > 1 ? 4 * threads : 1);
    run(pool, parts, [&](std::int64_t index) {
        const Range own = share_of(heads, parts, index);
        const typename Engine::Session session;
        for (std::int64_t head = own.first; head < own.last; ++head) {
            Engine::attend(all, head_of(all, out, all.heads * all.head_width, head));
        }
    });
}

} // namespace
} // namespace twinlens::operators
