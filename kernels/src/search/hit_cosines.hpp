// hit_cosines.hpp - cosines of the rows that a search by score has found.
//
// Contract: ids [n, columns] are rows, best first by score; scores [n, columns] are theirs, and
// become the float64 cosines score / sqrt(s(q, q) s(x, x)), with s of exact_score.hpp. Order of the
// operations as in cosines.py: the two give the same bits. All but the last column are then ordered
// by them, of equal ones the lower row first.
#pragma once

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdint>
#include <tuple>
#include <utility>
#include <vector>

#include "search/kernel_table.hpp"
#include "support/ieee_mode.hpp"
#include "support/parallel.hpp"
#include "support/prefetch.hpp"

namespace twinlens {

// State of the hits of a query.
enum class Hits : std::int8_t {
    odd = 0,     // a row or the query is not of length 1: ids and scores are left as they are
    near = 1,    // a row behind the last column may have a higher cosine than those before it
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
    std::int64_t *ids; // [n, columns]
    double *scores;    // [n, columns]
    std::int64_t n;
    std::int64_t columns;
};

// Squared lengths of rows, each measured once where there are more hits than rows.
class SquaredLengths {
  public:
    SquaredLengths(const ScoredHits &hits, const KernelTable &kernels)
        : hits_(hits), kernels_(kernels),
          known_(hits.n * hits.columns < hits.n_rows ? 0 : static_cast<std::size_t>(hits.n_rows)) {}

    double of(std::int64_t row, double *work) {
        if (known_.empty()) {
            return measure(row, work);
        }
        // Threads that measure one row at once write the same number. 0 is not known.
        std::atomic<double> &known = known_[static_cast<std::size_t>(row)];
        double squared = known.load(std::memory_order_relaxed);
        if (squared == 0) {
            squared = measure(row, work);
            known.store(squared, std::memory_order_relaxed);
        }
        return squared;
    }

    void prefetch(std::int64_t row) const {
        if (known_.empty() && row >= 0 && row < hits_.n_rows) {
            prefetch_bytes(hits_.rows + row * hits_.width,
                           hits_.width * static_cast<std::int64_t>(sizeof(float)));
        }
    }

  private:
    double measure(std::int64_t row, double *work) const {
        const float *numbers = hits_.rows + row * hits_.width;
        return kernels_.exact_score(numbers, numbers, hits_.width, work);
    }

    const ScoredHits &hits_;
    const KernelTable &kernels_;
    std::vector<std::atomic<double>> known_;
};

// Orders by cosine, of equal ones the lower row first. Scores leave them all but in order, unless
// they are of very many near twins.
inline void order_by_cosine(std::int64_t *ids, double *cosines, std::int64_t n) {
    const auto better = [](double one, std::int64_t id, double other, std::int64_t other_id) {
        return one > other || (one == other && id < other_id);
    };
    std::int64_t moves_left = 16 * n;
    std::int64_t at = 1;
    for (; at < n && moves_left > 0; ++at) {
        const std::int64_t id = ids[at];
        const double cosine = cosines[at];
        std::int64_t to = at;
        for (; to > 0 && better(cosine, id, cosines[to - 1], ids[to - 1]); --to, --moves_left) {
            ids[to] = ids[to - 1];
            cosines[to] = cosines[to - 1];
        }
        ids[to] = id;
        cosines[to] = cosine;
    }
    if (at >= n) {
        return;
    }
    std::vector<std::pair<double, std::int64_t>> hits;
    for (std::int64_t hit = 0; hit < n; ++hit) {
        hits.emplace_back(cosines[hit], ids[hit]);
    }
    std::sort(hits.begin(), hits.end(), [&](const auto &one, const auto &other) {
        return better(one.first, one.second, other.first, other.second);
    });
    for (std::int64_t hit = 0; hit < n; ++hit) {
        std::tie(cosines[hit], ids[hit]) = hits[static_cast<std::size_t>(hit)];
    }
}

// The state of one query's hits; `work` has room for (width + 1) / 2 numbers, `squared` for
// columns.
inline Hits query_cosines(const ScoredHits &hits, std::int64_t query, SquaredLengths &lengths,
                          const KernelTable &kernels, CosineLimits limits, double *work,
                          double *squared) {
    const auto odd = [&](double square) { // true for NaN, too
        return !(square > 1 - limits.odd && square < 1 + limits.odd);
    };
    std::int64_t *ids = hits.ids + query * hits.columns;
    double *cosines = hits.scores + query * hits.columns;
    const float *asked = hits.queries + query * hits.width;
    const double own = kernels.exact_score(asked, asked, hits.width, work);
    bool any_odd = odd(own);
    for (std::int64_t hit = 0; hit < hits.columns; ++hit) {
        if (ids[hit] < 0 || ids[hit] >= hits.n_rows) { // of damaged rows only: they have no score
            return Hits::odd;
        }
        if (hit + 1 < hits.columns) {
            lengths.prefetch(ids[hit + 1]);
        }
        squared[hit] = lengths.of(ids[hit], work);
        any_odd = any_odd || odd(squared[hit]);
    }
    if (any_odd) {
        return Hits::odd;
    }
    for (std::int64_t hit = 0; hit < hits.columns; ++hit) {
        cosines[hit] /= std::sqrt(own * squared[hit]);
    }
    order_by_cosine(ids, cosines, hits.columns - 1);
    const bool certain =
        hits.columns > 1 && cosines[hits.columns - 2] - cosines[hits.columns - 1] > limits.margin;
    return certain ? Hits::certain : Hits::near;
}

// The states of all queries: those whose hits are odd keep ids and scores.
inline void hit_cosines(const ScoredHits &hits, std::int8_t *states, const KernelTable &kernels,
                        CosineLimits limits, std::int64_t threads) {
    // Starting a thread takes some 20 us, in which one thread measures about 256 rows.
    const std::int64_t worth = 1 + hits.n * hits.columns / 512;
    const std::int64_t used = std::max<std::int64_t>(1, std::min({threads, worth, hits.n}));
    const std::int64_t half = (hits.width + 1) / 2, room = half + hits.columns;
    std::vector<double> work(static_cast<std::size_t>(used * room));
    SquaredLengths lengths(hits, kernels);
    parallel_for(hits.n, used, [&](std::int64_t query, std::int64_t worker) {
        const IeeeMode mode;
        double *own = work.data() + worker * room;
        states[query] = static_cast<std::int8_t>(
            query_cosines(hits, query, lengths, kernels, limits, own, own + half));
    });
}

} // namespace twinlens
