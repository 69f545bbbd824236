// ranking.hpp - the k best of scored rows, best first; of equal scores the lower row first.
//
// Contract: at least k hits, with finite scores and different ids. Scores of one query lie close
// together, so buckets of equal width all but sort them: 1,000 of 1,900 take 15 us, a partition and
// a sort 50, each step of which is a mispredicted branch.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

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
        double low = hits.front().score, high = low;
        for (const Hit &hit : hits) {
            low = std::min(low, hit.score);
            high = std::max(high, hit.score);
        }
        const std::size_t n = hits.size();
        const double scale = static_cast<double>(n - 1) / (high - low);
        if (n < worthwhile || !std::isfinite(scale)) {
            std::partial_sort(hits.begin(), hits.begin() + static_cast<std::ptrdiff_t>(k),
                              hits.end(), better);
            return hits.data();
        }
        // Monotone, as its operations round: a better hit is in no later bucket.
        starts_.assign(n + 1, 0);
        buckets_.resize(n);
        for (std::size_t i = 0; i < n; ++i) {
            const auto bucket = static_cast<std::uint32_t>((high - hits[i].score) * scale);
            buckets_[i] = std::min(bucket, static_cast<std::uint32_t>(n - 1));
            ++starts_[buckets_[i] + 1];
        }
        for (std::size_t bucket = 0; bucket < n; ++bucket) {
            starts_[bucket + 1] += starts_[bucket];
        }
        placed_.resize(n);
        for (std::size_t i = 0; i < n; ++i) {
            placed_[starts_[buckets_[i]]++] = hits[i];
        }
        // Each start is the end of its bucket by now.
        for (std::size_t bucket = 0, first = 0; first < k; first = starts_[bucket++]) {
            order(placed_.data() + first, placed_.data() + starts_[bucket]);
        }
        return placed_.data();
    }

    static void order(Hit *first, Hit *last) {
        constexpr std::ptrdiff_t few = 12;
        if (last - first > few) {
            std::sort(first, last, better);
            return;
        }
        for (Hit *one = first; one < last; ++one) {
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
