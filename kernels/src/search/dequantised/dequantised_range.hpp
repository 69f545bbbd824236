// dequantised_range.hpp - range search of the rows that codes stand for.
//
// Contract: that of coded_range.hpp, for the rows of dequantised_rows.hpp.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <vector>

#include "search/candidates/refine_bounds.hpp"
#include "search/coded_range.hpp"
#include "search/dequantised/dequantised_rows.hpp"
#include "search/scan.hpp"
#include "support/ieee_mode.hpp"
#include "support/parallel.hpp"

namespace twinlens {

// Sink of a range scan: one thread's hits.
class DequantisedRangeSink {
  public:
    DequantisedRangeSink(const CodedCorpus &corpus, const float *centre, const QueryCodes &codes,
                         const float *queries, const double *floors, const KernelTable &kernels)
        : codes_(codes), queries_(queries), floors_(floors), kernels_(kernels),
          rows_(corpus, centre, kernels), pending_(static_cast<std::size_t>(codes.size())) {
        for (std::int64_t query = 0; query < codes.size(); ++query) {
            barriers_.push_back(codes.units(query).floor_of_exact(floors[query]));
        }
    }

    float floor(std::int64_t query) const { return barriers_[static_cast<std::size_t>(query)]; }

    void take(std::int64_t query, std::int64_t row, float estimate, float margin) {
        std::vector<Candidate> &ones = pending_[static_cast<std::size_t>(query)];
        ones.push_back(Candidate::between(estimate - margin, estimate + margin, row));
        if (ones.size() == most_pending) {
            flush(query);
        }
    }

    void flush() {
        for (std::int64_t query = 0; query < codes_.size(); ++query) {
            flush(query);
        }
    }

    const RangeHits &hits() const { return hits_; }

  private:
    static constexpr std::size_t most_pending = 1024;

    void flush(std::int64_t query) {
        const IeeeMode mode;
        const CodedCorpus &corpus = rows_.corpus();
        std::vector<Candidate> &ones = pending_[static_cast<std::size_t>(query)];
        const float *row = queries_ + query * corpus.width;
        Candidate *first = ones.data(), *last = first + ones.size();
        if (corpus.residual != nullptr) {
            refine_bounds(corpus, kernels_, row, codes_.units(query), first, last, rows_.work());
            last = drop_below(floor(query), first, last);
        }
        for (const Candidate *one = first; one != last; ++one) {
            if (one + 1 != last) {
                rows_.prefetch(one[1].row);
            }
            const double score = rows_.score(row, one->row);
            if (score >= floors_[query]) {
                hits_.add(query, one->row, score);
            }
        }
        ones.clear();
    }

    const QueryCodes &codes_;
    const float *queries_;
    const double *floors_;
    const KernelTable &kernels_;
    DequantisedRows rows_;
    std::vector<float> barriers_;
    std::vector<std::vector<Candidate>> pending_;
    RangeHits hits_;
};

inline RangeHits dequantised_range(const CodedCorpus &corpus, const float *queries, std::int64_t n,
                                   const float *centre, const double *floors,
                                   const KernelTable &kernels, std::int64_t threads) {
    const IeeeMode mode; // queries are encoded on the caller's thread
    constexpr std::int64_t step = 256;
    const std::int64_t used = worthwhile_threads(corpus, threads);
    const std::int64_t parts = (corpus.n + scan_rows - 1) / scan_rows;
    RangeHits hits;
    for (std::int64_t begin = 0; begin < n; begin += step) {
        const float *part = queries + begin * corpus.width;
        const QueryCodes codes(part, std::min(step, n - begin), centre, corpus.width, kernels, 0,
                               corpus.n);
        std::vector<std::unique_ptr<Scan>> scans;
        std::vector<std::unique_ptr<DequantisedRangeSink>> sinks;
        for (std::int64_t worker = 0; worker < used; ++worker) {
            scans.push_back(std::make_unique<Scan>(corpus, codes, kernels));
            sinks.push_back(std::make_unique<DequantisedRangeSink>(corpus, centre, codes, part,
                                                                   floors + begin, kernels));
        }
        parallel_for(parts, used, [&](std::int64_t at, std::int64_t worker) {
            const std::int64_t first = at * scan_rows;
            const auto own = static_cast<std::size_t>(worker);
            scans[own]->rows(first, std::min(corpus.n, first + scan_rows), *sinks[own]);
        });
        parallel_for(used, used, [&](std::int64_t sink, std::int64_t) {
            sinks[static_cast<std::size_t>(sink)]->flush();
        });
        for (const auto &sink : sinks) {
            const RangeHits &found = sink->hits();
            for (std::size_t i = 0; i < found.ids.size(); ++i) {
                hits.add(begin + found.of_query[i], found.ids[i], found.scores[i]);
            }
        }
    }
    return hits;
}

} // namespace twinlens
