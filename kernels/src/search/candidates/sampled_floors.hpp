// sampled_floors.hpp - a guess of each query's floor, from a sample of the rows.
//
// A guess is the lower bound at the place that the k-th best is expected at, and some more. It
// proves nothing by itself: a pass that prunes by it counts the rows whose lower bounds reach it
// (coded_topk.hpp), and a query with fewer than k of them is searched again without a guess.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <vector>

#include "search/candidates/kth_largest.hpp"
#include "search/coded_corpus.hpp"

namespace twinlens {

// Sink of a scan of the sample: one thread's `rank` largest lower bounds of every query.
class LargestLowerBounds {
  public:
    LargestLowerBounds(std::int64_t n_queries, std::int64_t rank)
        : rank_(rank), room_(4 * rank + 256), counts_(static_cast<std::size_t>(n_queries)),
          floors_(static_cast<std::size_t>(n_queries), -std::numeric_limits<float>::infinity()),
          bounds_(static_cast<std::size_t>(n_queries * room_)) {}

    float floor(std::int64_t query) const { return floors_[static_cast<std::size_t>(query)]; }

    void take(std::int64_t query, std::int64_t, float estimate, float margin) {
        const float lower = estimate - margin;
        if (!std::isfinite(lower)) {
            return;
        }
        std::int64_t &count = counts_[static_cast<std::size_t>(query)];
        float *first = begin(query);
        first[count++] = lower;
        if (count == room_) {
            std::nth_element(first, first + (rank_ - 1), first + count, std::greater<>());
            count = rank_;
            floors_[static_cast<std::size_t>(query)] = first[rank_ - 1];
        }
    }

    // Adds those of one query to `all`.
    void append(std::int64_t query, std::vector<float> &all) {
        const float *first = begin(query);
        all.insert(all.end(), first, first + counts_[static_cast<std::size_t>(query)]);
    }

  private:
    float *begin(std::int64_t query) { return bounds_.data() + query * room_; }

    std::int64_t rank_, room_;
    std::vector<std::int64_t> counts_;
    std::vector<float> floors_, bounds_;
};

// Rows of the sample, spread evenly over the allowed ones: neighbours in a folder look alike.
class RowSample {
  public:
    // Rows [0] is empty where a guess would not pay.
    RowSample(const CodedCorpus &corpus, std::int64_t n_queries, std::int64_t k) {
        constexpr std::int64_t work = 1000;
        const std::int64_t wanted = rows_worthwhile(corpus.n, k);
        if (n_queries * k < work || corpus.n < 4 * wanted) {
            return;
        }
        const std::int64_t allowed =
            corpus.allowed == nullptr ? corpus.n
                                      : std::count(corpus.allowed, corpus.allowed + corpus.n, true);
        if (allowed < 4 * k) {
            return;
        }
        for (std::int64_t i = 0; i < wanted; ++i) {
            const std::int64_t row = i * corpus.n / wanted;
            if (corpus.allowed == nullptr || corpus.allowed[row]) {
                rows_.push_back(row);
            }
        }
        rank_ = rank_of(static_cast<double>(k) * static_cast<double>(rows_.size()) /
                        static_cast<double>(allowed));
        if (2 * rank_ > static_cast<std::int64_t>(rows_.size())) {
            rows_.clear();
        }
    }

    std::int64_t size() const { return static_cast<std::int64_t>(rows_.size()); }
    const std::int64_t *rows() const { return rows_.data(); }
    // The place of a guess among the lower bounds of the sample.
    std::int64_t rank() const { return rank_; }

  private:
    // Of a sample in which so many of the k best rows are expected: four standard deviations of
    // their number more, and 3.
    static std::int64_t rank_of(double expected) {
        return static_cast<std::int64_t>(std::ceil(expected + 4 * std::sqrt(expected) + 3));
    }

    // The size, a power of two, that costs least: the rows of a small sample nearly all pass the
    // screen, so that one takes as long as half of a candidate that a low guess lets in. 10,000
    // rows, 256 queries: 512 rows of sample take 1.4 ms and leave 1,100 candidates of 100 hits,
    // 1,024 rows 3.0 and 1,000.
    static std::int64_t rows_worthwhile(std::int64_t n, std::int64_t k) {
        constexpr std::int64_t fewest = 256, most = 16384;
        constexpr double candidate = 2;
        std::int64_t best = fewest;
        double least = std::numeric_limits<double>::infinity();
        for (std::int64_t rows = fewest; rows <= most; rows *= 2) {
            const double share = static_cast<double>(rows) / static_cast<double>(n);
            const double expected = static_cast<double>(k) * share;
            const double more = (static_cast<double>(rank_of(expected)) - expected) / share;
            const double cost = static_cast<double>(rows) + candidate * more;
            if (cost < least) {
                least = cost;
                best = rows;
            }
        }
        return best;
    }

    std::vector<std::int64_t> rows_;
    std::int64_t rank_ = 0;
};

} // namespace twinlens
