// coded_range.hpp - range search: all rows of each query whose score reaches its floor.
//
// Contract: queries [n, width] are finite, floors [n] are numbers or infinite. Hits come in any
// order: exactly the rows whose score by exact_score.hpp is at least the floor.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <vector>

#include "search/candidates/refine_bounds.hpp"
#include "search/coded_topk.hpp"
#include "search/scan.hpp"
#include "support/ieee_mode.hpp"
#include "support/parallel.hpp"

namespace twinlens {

// Query, row and score of each hit, as three arrays.
struct RangeHits {
    std::vector<std::int64_t> of_query, ids;
    std::vector<double> scores;

    void add(std::int64_t query, std::int64_t id, double score) {
        of_query.push_back(query);
        ids.push_back(id);
        scores.push_back(score);
    }
};

// Sink of a range scan: one thread's hits, and the pairs that wait to be rescored.
class RangeSink {
  public:
    RangeSink(const CodedCorpus &corpus, const QueryCodes &codes, const float *queries,
              const double *floors, const KernelTable &kernels)
        : corpus_(corpus), codes_(codes), queries_(queries), floors_(floors), kernels_(kernels),
          work_(static_cast<std::size_t>(corpus.padded)) {
        for (std::int64_t query = 0; query < codes.size(); ++query) {
            barriers_.push_back(codes.units(query).floor_of_exact(floors[query]));
        }
        pending_.reserve(most_pending);
    }

    float floor(std::int64_t query) const { return barriers_[static_cast<std::size_t>(query)]; }

    void take(std::int64_t query, std::int64_t row, float estimate, float margin) {
        pending_.push_back({query, Candidate::between(estimate - margin, estimate + margin, row)});
        if (pending_.size() == most_pending) {
            flush();
        }
    }

    void flush() {
        const IeeeMode mode;
        std::sort(pending_.begin(), pending_.end(), [](const Pair &a, const Pair &b) {
            return a.query < b.query || (a.query == b.query && a.one.row < b.one.row);
        });
        std::vector<Candidate> of_query;
        for (std::size_t i = 0; i < pending_.size(); ++i) {
            of_query.push_back(pending_[i].one);
            if (i + 1 == pending_.size() || pending_[i + 1].query != pending_[i].query) {
                rescore(pending_[i].query, of_query);
                of_query.clear();
            }
        }
        pending_.clear();
    }

    const RangeHits &hits() const { return hits_; }

  private:
    struct Pair {
        std::int64_t query;
        Candidate one;
    };

    static constexpr std::size_t most_pending = 4096;

    void rescore(std::int64_t query, std::vector<Candidate> &ones) {
        const QueryUnits &units = codes_.units(query);
        const float *row = queries_ + query * corpus_.width;
        Candidate *first = ones.data(), *last = first + ones.size();
        if (corpus_.residual != nullptr) {
            refine_bounds(corpus_, kernels_, row, units, first, last, work_.data());
            last = drop_below(floor(query), first, last);
        }
        const Rescorer rescorer{corpus_, kernels_, row, units, work_.data()};
        for (const Candidate *one = first; one != last; ++one) {
            if (one + 1 != last) {
                rescorer.prefetch(one[1].row);
            }
            const double score = rescorer.score(one->row);
            if (score >= floors_[query]) {
                hits_.add(query, one->row, score);
            }
        }
    }

    const CodedCorpus &corpus_;
    const QueryCodes &codes_;
    const float *queries_;
    const double *floors_;
    const KernelTable &kernels_;
    std::vector<float> barriers_;
    std::vector<Pair> pending_;
    RangeHits hits_;
    std::vector<double> work_;
};

// Adds the hits of one pass, whose queries are numbered from `first_query` on.
inline void add_hits(const CodedCorpus &corpus, const float *queries, const QueryCodes &codes,
                     const double *floors, const KernelTable &kernels, std::int64_t threads,
                     std::int64_t first_query, RangeHits &hits) {
    const std::int64_t used = worthwhile_threads(corpus, threads);
    std::vector<std::unique_ptr<Scan>> scans;
    std::vector<std::unique_ptr<RangeSink>> sinks;
    for (std::int64_t worker = 0; worker < used; ++worker) {
        scans.push_back(std::make_unique<Scan>(corpus, codes, kernels));
        sinks.push_back(std::make_unique<RangeSink>(corpus, codes, queries, floors, kernels));
    }
    const std::int64_t parts = (corpus.n + scan_rows - 1) / scan_rows;
    parallel_for(parts, used, [&](std::int64_t part, std::int64_t worker) {
        const std::int64_t first = part * scan_rows;
        const auto at = static_cast<std::size_t>(worker);
        scans[at]->rows(first, std::min(corpus.n, first + scan_rows), *sinks[at]);
    });
    parallel_for(used, used, [&](std::int64_t sink, std::int64_t) {
        sinks[static_cast<std::size_t>(sink)]->flush();
    });
    for (const auto &sink : sinks) {
        const RangeHits &found = sink->hits();
        for (std::size_t i = 0; i < found.ids.size(); ++i) {
            hits.add(first_query + found.of_query[i], found.ids[i], found.scores[i]);
        }
    }
}

inline RangeHits coded_range(const CodedCorpus &corpus, const float *queries, std::int64_t n,
                             const float *centre, const double *floors, const KernelTable &kernels,
                             std::int64_t threads) {
    const IeeeMode mode;               // queries are encoded on the caller's thread
    constexpr std::int64_t step = 256; // as many as a top-k pass takes
    RangeHits hits;
    for (std::int64_t first = 0; first < n; first += step) {
        const float *part = queries + first * corpus.width;
        const QueryCodes codes(part, std::min(step, n - first), centre, corpus.width, kernels, 0,
                               corpus.n);
        add_hits(corpus, part, codes, floors + first, kernels, threads, first, hits);
    }
    return hits;
}

} // namespace twinlens
