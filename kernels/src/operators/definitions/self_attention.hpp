// self_attention.hpp - self_attention of compute.hpp, for an engine of gemm.hpp.
//
// Queries, keys and values are three quarters of what a layer writes between its products. Here
// those of a few heads are computed at a time, and stay in the L2 cache until the attention has
// read them.
#pragma once

#include "operators/definitions/attention.hpp"
#include "operators/definitions/linear.hpp"
#include "support/arithmetic.hpp"

namespace twinlens::operators {
namespace {

struct HeadGroups {
    const Tokens &tokens;
    const Linear &qkv;
    std::int64_t width, head_width;
    std::int64_t group; // heads at a time, so that their outputs fill whole blocks

    HeadGroups(const Tokens &all, const Linear &linear)
        : tokens(all), qkv(linear), width(linear.in), head_width(linear.in / all.heads),
          group(block_side / greatest_common_divisor(linear.in / all.heads, block_side)) {}

    std::int64_t groups() const { return tokens.heads / group; }
};

// Writes the groups' columns of attended [items of the panel, tokens, width], from quantized
// tokens. counts: of the panel's items, or null.
template <typename Engine>
void attend_groups(const HeadGroups &all, const Panel &panel, Range groups,
                   const std::int64_t *counts, float *attended) {
    const std::int64_t columns = all.group * all.head_width;
    auto *heads = scratch<float>(Scratch::heads, panel.rows * 3 * columns);
    const typename Engine::Session session;
    for (std::int64_t group = groups.first; group < groups.last; ++group) {
        for (std::int64_t third = 0; third < 3; ++third) {
            const std::int64_t first = third * all.width + group * columns;
            const Range pairs{first / block_side, (first + columns) / block_side};
            gemm<Engine>(panel, all.qkv, 128, pairs,
                         ToRows{heads + third * columns, nullptr, 3 * columns, first});
        }
        const Attention attention{heads,
                                  heads + columns,
                                  heads + 2 * columns,
                                  3 * columns,
                                  3 * columns,
                                  3 * columns,
                                  panel.rows / all.tokens.tokens,
                                  all.group,
                                  all.head_width,
                                  all.tokens.tokens,
                                  all.tokens.tokens,
                                  all.tokens.causal,
                                  counts};
        for (std::int64_t head = 0; head < attention.batch * attention.heads; ++head) {
            Engine::attend(attention,
                           head_of(attention, attended + group * columns, all.width, head));
        }
    }
}

// For items too few to split: the threads split the heads, then the outputs.
template <typename Engine>
void attend_few_rows(const float *x, const HeadGroups &all, Range items, const Norm *norm,
                     const Linear &out_proj, float *out, const Pool &pool) {
    const Range rows = rows_of_items(all.tokens, items);
    const std::int64_t n = rows.last - rows.first;
    const auto threads = static_cast<std::int64_t>(max(pool.threads, 1));
    auto *attended = scratch<float>(Scratch::attended, n * all.width);
    run(pool, min(threads, all.groups()), [&](std::int64_t index) {
        attend_groups<Engine>(all, quantized_rows(x, rows, all.width, norm),
                              share_of(all.groups(), min(threads, all.groups()), index),
                              counts_from(all.tokens, items.first), attended);
    });
    run(pool, threads, [&](std::int64_t index) {
        to_rows<Engine>(quantized_rows(attended, {0, n}, all.width, nullptr), out_proj, 128,
                        share_of(pairs_of(out_proj), threads, index), rows.first, x, out);
    });
}

template <typename Engine>
void self_attention(const float *x, const Tokens &tokens, const Norm *norm, const Linear &qkv,
                    const Linear &out_proj, float *out, const Pool &pool) {
    if (tokens.batch == 0 || tokens.tokens == 0) {
        return;
    }
    const HeadGroups all(tokens, qkv);
    // Bytes of an item: its codes, a group of heads, and its attended tokens.
    const std::int64_t item_bytes =
        tokens.tokens * (5 * all.width + 12 * all.group * all.head_width);
    const std::int64_t most_items = max<std::int64_t>(attention_bytes / item_bytes, 1);
    const auto threads = static_cast<std::int64_t>(max(pool.threads, 1));
    if (threads > 1 && (tokens.batch < threads ||
                        tokens.batch * tokens.tokens < threads * Grid::min_rows_per_thread)) {
        const std::int64_t few = max<std::int64_t>(few_rows / tokens.tokens, 1);
        for (std::int64_t item = 0; item < tokens.batch; item += few) {
            attend_few_rows<Engine>(x, all, {item, min(item + few, tokens.batch)}, norm, out_proj,
                                    out, pool);
        }
        return;
    }
    // At most one part an item: three items that each fill the cache, on two threads, are three
    // parts.
    const std::int64_t parts =
        min(threads * ceil_div(tokens.batch, threads * most_items), tokens.batch);
    run(pool, parts, [&](std::int64_t index) {
        const Range items = share_of(tokens.batch, parts, index);
        const Range rows = rows_of_items(tokens, items);
        const std::int64_t n = rows.last - rows.first;
        auto *attended = scratch<float>(Scratch::attended, n * all.width);
        attend_groups<Engine>(all, quantized_rows(x, rows, all.width, norm), {0, all.groups()},
                              counts_from(tokens, items.first), attended);
        to_rows<Engine>(quantized_rows(attended, {0, n}, all.width, nullptr), out_proj, 128,
                        {0, pairs_of(out_proj)}, rows.first, x, out);
    });
}

} // namespace
} // namespace twinlens::operators
