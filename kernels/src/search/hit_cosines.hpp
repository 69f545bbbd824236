// hit_cosines.hpp - cosines of the rows that a search by score has found.
//
// Contract: ids [n, columns] are rows, best first by score; scores [n, columns] are theirs, and
// become the float64 cosines score / sqrt(s(q, q) s(x, x)), with s of exact_score.hpp. Order of the
// operations as in cosines.py: the two give the same bits.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "search/kernel_table.hpp"
#include "support/ieee_mode.hpp"
#include "support/parallel.hpp"
#include "support/prefetch.hpp"

namespace twinlens {

// State of the hits of a query.
enum class Hits : std::int8_t {
    odd = 0,     // a row or the query is not of length 1: the scores are left as they are
    near = 1,    // the cosines are written, but may be ranked otherwise than the scores
    certain = 2, // but for the last column, these are the rows of highest cosine, in order
};

struct CosineLimits {
    double odd;    // no squared length of a rounded unit row differs from 1 by as much
    double margin; // no row behind the last column has a cosine so far above its own
};

// Hits of a search, and the rows that they are of.
struct ScoredHits {
    const float *queries; // [n, width]
    const float *rows;    // [n_rows, width]
    std::int64_t n_rows;
    std::int64_t width;
    const std::int64_t *ids; // [n, columns]
    double *scores;          // [n, columns]
    std::int64_t n;
    std::int64_t columns;
};

// The state of one query's hits; `work` has room for (width + 1) / 2 numbers, `squared` for
// columns.
inline Hits query_cosines(const ScoredHits &hits, std::int64_t query, const KernelTable &kernels,
                          CosineLimits limits, double *work, double *squared) {
    const auto measure = [&](const float *row) {
        return kernels.exact_score(row, row, hits.width, work);
    };
    const auto odd = [&](double square) { // true for NaN, too
        return !(square > 1 - limits.odd && square < 1 + limits.odd);
    };
    const std::int64_t *ids = hits.ids + query * hits.columns;
    double *cosines = hits.scores + query * hits.columns;
    const double own = measure(hits.queries + query * hits.width);
    bool any_odd = odd(own);
    for (std::int64_t hit = 0; hit < hits.columns; ++hit) {
        if (ids[hit] < 0 || ids[hit] >= hits.n_rows) { // of damaged rows only: they have no score
            return Hits::odd;
        }
        if (hit + 1 < hits.columns) {
            prefetch_bytes(hits.rows + std::clamp<std::int64_t>(ids[hit + 1], 0, hits.n_rows - 1) *
                                           hits.width,
                           hits.width * static_cast<std::int64_t>(sizeof(float)));
        }
        squared[hit] = measure(hits.rows + ids[hit] * hits.width);
        any_odd = any_odd || odd(squared[hit]);
    }
    if (any_odd) {
        return Hits::odd;
    }
    bool certain = hits.columns > 1;
    for (std::int64_t hit = 0; hit < hits.columns; ++hit) {
        cosines[hit] /= std::sqrt(own * squared[hit]);
        certain = certain && (hit == 0 || cosines[hit - 1] > cosines[hit]);
    }
    certain = certain && cosines[hits.columns - 2] - cosines[hits.columns - 1] > limits.margin;
    return certain ? Hits::certain : Hits::near;
}

// The states of all queries: queries whose hits are odd keep their scores.
inline void hit_cosines(const ScoredHits &hits, std::int8_t *states, const KernelTable &kernels,
                        CosineLimits limits, std::int64_t threads) {
    // Starting a thread takes some 20 us, in which one thread measures about 256 rows.
    const std::int64_t worth = 1 + hits.n * hits.columns / 512;
    const std::int64_t used = std::max<std::int64_t>(1, std::min({threads, worth, hits.n}));
    const std::int64_t half = (hits.width + 1) / 2, room = half + hits.columns;
    std::vector<double> work(static_cast<std::size_t>(used * room));
    parallel_for(hits.n, used, [&](std::int64_t query, std::int64_t worker) {
        const IeeeMode mode;
        double *own = work.data() + worker * room;
        states[query] =
            static_cast<std::int8_t>(query_cosines(hits, query, kernels, limits, own, own + half));
    });
}

} // namespace twinlens
