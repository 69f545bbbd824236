// ranking.hpp - the k best of scored rows, best first; of equal scores the lower row first.
//
// Contract: at least k hits, with finite scores and different ids. Scores of one query lie close
// together, so buckets of equal width all but sort them: 1,000 of 1,900 take 15 us, a partition and
// a sort 50, each step of which is a mispredicted branch.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "search/candidates/extremes.hpp"

namespace twinlens {

struct Hit {
    double score;
    std::int64_t id;
};

inline bool better(const Hit &a, const Hit &b) {
    return a.score > b.score || (a.score == b.score && a.id < b.id);
}

// One ranking at a time; keeps its memory from one to the next.
class Ranking {
  public:
    // Writes the k best; reorders the hits.
    void rank(std::vector<Hit> &hits, std::int64_t k, std::int64_t *ids, double *scores) {
        const Hit *best = sorted(hits, static_cast<std::size_t>(k));
        for (std::int64_t i = 0; i < k; ++i) {
            ids[i] = best[i].id;
            scores[i] = best[i].score;
        }
    }

  private:
    // The first k of what it returns are the k best, in order.
    const Hit *sorted(std::vector<Hit> &hits, std::size_t k) {
        constexpr std::size_t worthwhile = 64;
        const std::size_t n = hits.size();
        const auto [low, high] = extremes(static_cast<std::int64_t>(n), [&](std::int64_t i) {
            return hits[static_cast<std::size_t>(i)].score;
        });
        const double scale = static_cast<double>(n - 1) / (high - low);
        if (n < worthwhile || !std::isfinite(scale)) {
            std::partial_sort(hits.begin(), hits.begin() + static_cast<std::ptrdiff_t>(k),
                              hits.end(), better);
            return hits.data();
        }
        // Monotone, as its operations round: a better hit is in no later bucket.
        starts_.assign(n, 0);
        buckets_.resize(n);
        for (std::size_t i = 0; i < n; ++i) {
            const auto bucket = static_cast<std::uint32_t>((high - hits[i].score) * scale);
            buckets_[i] = std::min(bucket, static_cast<std::uint32_t>(n - 1));
            ++starts_[buckets_[i]];
        }
        std::uint32_t start = 0, most = 0;
        for (std::uint32_t &of_bucket : starts_) {
            most = std::max(most, of_bucket);
            start += std::exchange(of_bucket, start);
        }
        placed_.resize(n);
        for (std::size_t i = 0; i < n; ++i) {
            placed_[starts_[buckets_[i]]++] = hits[i];
        }
        order(k, most);
        return placed_.data();
    }

    // Orders the first k of the placed hits, of which no bucket holds more than `most`. Each start
    // is the end of its bucket by now.
    void order(std::size_t k, std::uint32_t most) {
        constexpr std::uint32_t few = 12;
        Hit *const placed = placed_.data();
        if (most <= few) {
            // All but in order: going through them at once mispredicts less than bucket by bucket.
            const auto end = std::lower_bound(starts_.begin(), starts_.end(), k);
            insert_each(placed, placed + *end);
            return;
        }
        for (std::size_t bucket = 0, first = 0; first < k; first = starts_[bucket++]) {
            std::sort(placed + first, placed + starts_[bucket], better);
        }
    }

    static void insert_each(Hit *first, Hit *last) {
        for (Hit *one = first + 1; one < last; ++one) {
            const Hit moved = *one;
            Hit *to = one;
            for (; to > first && better(moved, to[-1]); --to) {
                *to = to[-1];
            }
            *to = moved;
        }
    }

    std::vector<std::uint32_t> starts_, buckets_;
    std::vector<Hit> placed_;
};

} // namespace twinlens
