// update_topk_tile.hpp - update_topk.hpp for a block of queries, computed by several threads.
//
// Contract: arrays as in update_topk.hpp, row after row; best_scores and best_ids are [n_queries,
// k] heaps that no other thread uses. Allocates width / 2 doubles a thread before any
// thread starts.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "search/update_topk.hpp"
#include "support/parallel.hpp"

namespace twinlens {

struct QueryBlock {
    const float *rows;   // [n, width]
    const float *scores; // [n, tile.n]
    const float *reach;  // [n]
    const double *units; // [n]
    std::int64_t n;
};

inline void update_topk_tile(const QueryBlock &queries, const Tile &tile, double *best_scores,
                             std::int64_t *best_ids, std::int64_t k, std::int64_t threads) {
    // Starting a thread takes some 20 us, in which one thread compares about 2^16 scores.
    constexpr std::int64_t scores_per_thread = std::int64_t{1} << 16;
    const std::int64_t worth = 1 + queries.n * tile.n / scores_per_thread;
    const std::int64_t used = std::max<std::int64_t>(1, std::min({threads, queries.n, worth}));
    const std::int64_t half = (tile.width + 1) / 2;
    std::vector<double> work(static_cast<std::size_t>(used * half));
    parallel_for(queries.n, used, [&](std::int64_t q, std::int64_t worker) {
        const Query query{queries.rows + q * tile.width, queries.scores + q * tile.n,
                          queries.reach[q], queries.units[q]};
        update_topk(query, tile, TopkHeap(best_scores + q * k, best_ids + q * k, k),
                    work.data() + worker * half);
    });
}

} // namespace twinlens
