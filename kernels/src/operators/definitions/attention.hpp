// attention.hpp - attention in float32.
//
// One head of one item at a time: its keys are transposed, so that a vector holds 16 of them;
// then a few queries at once get their scores, softmax and sum of values. Sums are in the order of
// the keys, and masked keys add zeros, so that padding changes no bit.
#pragma once

#include "operators/definitions/exponential.hpp"
#include "operators/scratch.hpp"
#include "operators/work_split.hpp"
#include "support/arithmetic.hpp"
#include "support/unrolled.hpp"

namespace twinlens::operators {
namespace {

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

inline const std::int64_t *counts_from(const Tokens &tokens, std::int64_t item) {
    return tokens.counts == nullptr ? nullptr : tokens.counts + item;
}

inline Range rows_of_items(const Tokens &tokens, Range items) {
    return {items.first * tokens.tokens, items.last * tokens.tokens};
}

// Keys that a query attends to.
inline std::int64_t visible_keys(const Attention &all, const Head &head, std::int64_t query) {
    return all.causal ? min(query + 1, head.keys) : head.keys;
}

// Transposes keys [keys, width] to [width][keys rounded up to a multiple of 16], zero beyond the
// last.
inline void transpose_keys(const Head &head, std::int64_t stride, std::int64_t width,
                           float *transposed, std::int64_t transposed_stride) {
    for (std::int64_t key = 0; key < head.keys; key += 16) {
        for (std::int64_t at = 0; at < width; at += 16) {
            transpose(head.key + key * stride + at, stride, head.keys - key, width - at,
                      transposed + at * transposed_stride + key, transposed_stride);
        }
    }
}

struct Rows {
    const float *scalars[register_rows];
    const float *rows;
    std::int64_t stride, n; // of rows
    float *to[register_rows];
};

// to[i][at .. at + 16 * vectors) = factors[i] * sum over k of scalars[i][k] * rows[k]: the inner
// loop of both products. `last` masks the last vector.
template <int vectors>
void products_at(const Rows &all, std::int64_t at, First last, const float factors[register_rows]) {
    Floats sums[register_rows * vectors];
    unrolled<register_rows * vectors>([&](auto i) { sums[decltype(i)::value] = zeros(); });
    const float *rows = all.rows + at;
    for (std::int64_t k = 0; k < all.n; ++k, rows += all.stride) {
        Floats row[vectors];
        unrolled<vectors>([&](auto index) {
            constexpr int v = decltype(index)::value;
            row[v] = v + 1 < vectors ? load(rows + 16 * v) : load(rows + 16 * v, last);
        });
        unrolled<register_rows>([&](auto index) {
            constexpr int i = decltype(index)::value;
            const Floats scalar = broadcast(all.scalars[i][k]);
            unrolled<vectors>([&](auto at) {
                constexpr int v = decltype(at)::value;
                sums[i * vectors + v] = fma(scalar, row[v], sums[i * vectors + v]);
            });
        });
    }
    unrolled<register_rows * vectors>([&](auto index) {
        constexpr int i = decltype(index)::value / vectors, v = decltype(index)::value % vectors;
        store(all.to[i] + at + 16 * v, sums[i * vectors + v] * broadcast(factors[i]),
              v + 1 < vectors ? all_lanes() : last);
    });
}

// The same for n of at most `most` vectors.
template <int most>
void products_of(std::int64_t n, const Rows &all, std::int64_t at, First last,
                 const float factors[register_rows]) {
    if constexpr (most > 1) {
        if (n < most) {
            return products_of<most - 1>(n, all, at, last, factors);
        }
    }
    products_at<most>(all, at, last, factors);
}

// to[i][0 .. width) = factors[i] * sum over k of scalars[i][k] * rows[k].
inline void products(const Rows &all, std::int64_t width, const float factors[register_rows]) {
    for (std::int64_t at = 0; at < width; at += 16 * register_vectors) {
        const std::int64_t n = min(ceil_div(width - at, 16), register_vectors);
        products_of<register_vectors>(n, all, at, lanes_from(at + 16 * (n - 1), width), factors);
    }
}

// Replaces the first n scores by e^(score - largest), and those up to `padded` by zero; returns 1 /
// their sum.
inline float softmax_numerators(float *scores, std::int64_t n, std::int64_t padded) {
    const Floats least = broadcast(-float_infinity);
    Floats most = least;
    for (std::int64_t at = 0; at < n; at += 16) {
        most = at_least(chosen(lanes_from(at, n), load(scores + at), least), most);
    }
    most = broadcast(largest(most));
    Floats all = zeros();
    std::int64_t at = 0;
    for (; at < n; at += 16) {
        const Floats part = kept(exp_below_zero(load(scores + at) - most), lanes_from(at, n));
        all = all + part;
        store(scores + at, part);
    }
    for (; at < padded; at += 16) {
        store(scores + at, zeros());
    }
    return 1.0F / sum(all);
}

// Attention of queries first .. first + register_rows - 1; beyond the last query, the last is
// repeated.
inline void attend_queries(const Attention &all, const Head &head, std::int64_t first,
                           const float *transposed, std::int64_t transposed_stride, float *scores) {
    const std::int64_t last = min(first + register_rows, all.queries) - 1;
    const std::int64_t seen = visible_keys(all, head, last);
    const std::int64_t padded = ceil_div(seen, 16) * 16;
    float factors[register_rows];
    Rows scoring{{}, transposed, transposed_stride, all.head_width, {}};
    Rows adding{{}, head.value, all.value_stride, seen, {}};
    for (std::int64_t i = 0; i < register_rows; ++i) {
        const std::int64_t query = min(first + i, last);
        scoring.scalars[i] = head.query + query * all.query_stride;
        adding.scalars[i] = scoring.to[i] = scores + i * transposed_stride;
        adding.to[i] = head.out + query * head.out_stride;
        factors[i] = 1;
    }
    products(scoring, padded, factors);
    for (std::int64_t i = 0; i < register_rows; ++i) {
        factors[i] = softmax_numerators(scoring.to[i],
                                        visible_keys(all, head, min(first + i, last)), padded);
    }
    products(adding, all.head_width, factors);
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
    auto *scores = scratch<float>(Scratch::scores, register_rows * padded);
    transpose_keys(head, all.key_stride, all.head_width, transposed, padded);
    for (std::int64_t query = 0; query < all.queries; query += register_rows) {
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
