// self_attention.hpp - self_attention of layers.hpp, for the Block of an instruction set and of its
// numbers; the attention itself is in float32.
//
// As in definitions/self_attention.hpp, queries, keys and values of a few heads are computed at a
// time, and stay in the L2 cache until the attention has read them.
#pragma once

#include "operators/definitions/attention.hpp"
#include "operators/float32/linear.hpp"
#include "support/arithmetic.hpp"

namespace twinlens::operators::float32 {
namespace {

// The engine of attention in float32.
struct Plain {
    struct Session {
        // Not trivial, so that compilers do not warn of an unused variable.
        Session() {} // NOLINT
    };
    static void attend(const Attention &all, const Head &head) { operators::attend(all, head); }
};

// Upper bound on the items of one part: their panel, a few heads and their attended tokens.
constexpr std::int64_t attention_bytes = 1280 << 10;

template <typename Linear> struct HeadGroups {
    const Tokens &tokens;
    const Linear &qkv;
    std::int64_t width, head_width;
    std::int64_t group; // heads at a time, so that their outputs fill whole blocks

    HeadGroups(const Tokens &all, const Linear &linear)
        : tokens(all), qkv(linear), width(linear.in), head_width(linear.in / all.heads),
          group(outputs_together /
                greatest_common_divisor(linear.in / all.heads, outputs_together)) {}

    std::int64_t groups() const { return tokens.heads / group; }
    std::int64_t columns() const { return group * head_width; }

    // The first column of a group's queries, keys or values.
    std::int64_t column_of(std::int64_t group_index, std::int64_t third) const {
        return third * width + group_index * columns();
    }
};

// Queries, keys and values of one group, side by side: [rows of the panel, 3 * columns].
template <typename Registers, typename Numbers>
void to_heads(const HeadGroups<typename Numbers::Linear> &all, const Panel<Numbers> &panel,
              std::int64_t group, float *heads) {
    for (std::int64_t third = 0; third < 3; ++third) {
        const std::int64_t first = all.column_of(group, third);
        const std::int64_t next =
            third < 2 ? all.column_of(group, third + 1) : all.column_of(group + 1, 0);
        const auto *then = third < 2 || group + 1 < all.groups()
                               ? weights_of<Numbers>(all.qkv, next / outputs_together)
                               : nullptr;
        gemm<Registers>(
            panel, all.qkv, {first / outputs_together, (first + all.columns()) / outputs_together},
            then, ToRows{heads + third * all.columns(), nullptr, 3 * all.columns(), first});
    }
}

// Writes the groups' columns of attended [items of the panel, tokens, width]. counts: of the
// panel's items, or null.
template <typename Registers, typename Numbers>
void attend_groups(const HeadGroups<typename Numbers::Linear> &all, const Panel<Numbers> &panel,
                   Range groups, const std::int64_t *counts, float *attended) {
    const std::int64_t columns = all.columns();
    auto *heads = scratch<float>(Scratch::heads, panel.rows * 3 * columns);
    for (std::int64_t group = groups.first; group < groups.last; ++group) {
        to_heads<Registers>(all, panel, group, heads);
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
            Plain::attend(attention,
                          head_of(attention, attended + group * columns, all.width, head));
        }
    }
}

// For items too few to split: the threads split the heads, then the outputs.
template <typename Registers>
void attend_few_rows(const float *x, const HeadGroups<typename Registers::Linear> &all, Range items,
                     const Norm *norm, const typename Registers::Linear &out_proj, float *out,
                     const Pool &pool) {
    using Numbers = typename Registers::Numbers;
    const Range rows = rows_of_items(all.tokens, items);
    const std::int64_t n = rows.last - rows.first;
    const auto threads = static_cast<std::int64_t>(max(pool.threads, 1));
    const std::int64_t of_heads = min(threads, all.groups());
    auto *attended = scratch<float>(Scratch::attended, n * all.width);
    run(pool, of_heads, [&](std::int64_t index) {
        attend_groups<Registers>(all, panel_of<Numbers>(x, rows, all.width, norm),
                                 share_of(all.groups(), of_heads, index),
                                 counts_from(all.tokens, items.first), attended);
    });
    run(pool, threads, [&](std::int64_t index) {
        to_rows<Registers>(panel_of<Numbers>(attended, {0, n}, all.width, nullptr), out_proj,
                           share_of(all_together(out_proj), threads, index), rows.first, x, out);
    });
}

template <typename Registers>
void self_attention(const float *x, const Tokens &tokens, const Norm *norm,
                    const typename Registers::Linear &qkv,
                    const typename Registers::Linear &out_proj, float *out, const Pool &pool) {
    using Numbers = typename Registers::Numbers;
    if (tokens.batch == 0 || tokens.tokens == 0) {
        return;
    }
    const HeadGroups<typename Registers::Linear> all(tokens, qkv);
    const std::int64_t item_bytes =
        tokens.tokens * ((4 + Panel<Numbers>::value_bytes) * all.width + 12 * all.columns());
    const std::int64_t most_items = max<std::int64_t>(attention_bytes / item_bytes, 1);
    const auto threads = static_cast<std::int64_t>(max(pool.threads, 1));
    if (threads > 1 && (tokens.batch < threads ||
                        tokens.batch * tokens.tokens < threads * Grid::min_rows_per_thread)) {
        const std::int64_t few = max<std::int64_t>(few_rows / tokens.tokens, 1);
        for (std::int64_t item = 0; item < tokens.batch; item += few) {
            attend_few_rows<Registers>(x, all, {item, min(item + few, tokens.batch)}, norm,
                                       out_proj, out, pool);
        }
        return;
    }
    const std::int64_t parts =
        min(threads * ceil_div(tokens.batch, threads * most_items), tokens.batch);
    run(pool, parts, [&](std::int64_t index) {
        const Range items = share_of(tokens.batch, parts, index);
        const Range rows = rows_of_items(tokens, items);
        const std::int64_t n = rows.last - rows.first;
        auto *attended = scratch<float>(Scratch::attended, n * all.width);
        attend_groups<Registers>(all, panel_of<Numbers>(x, rows, all.width, norm),
                                 {0, all.groups()}, counts_from(tokens, items.first), attended);
        to_rows<Registers>(panel_of<Numbers>(attended, {0, n}, all.width, nullptr), out_proj,
                           {0, all_together(out_proj)}, rows.first, x, out);
    });
}

} // namespace
} // namespace twinlens::operators::float32
