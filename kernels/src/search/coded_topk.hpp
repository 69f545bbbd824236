// coded_topk.hpp - exact top-k search: a pass over the codes prunes, float64 scores decide.
//
// Contract: queries [n, width] are finite, n >= 1, 1 <= k <= the number of allowed rows; ids and
// scores [n, k] are written best first, of equal scores the lower row first. Equal to a brute force
// by exact_score.hpp for every instruction set and number of threads: EXACTNESS.md.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <memory>
#include <vector>

#include "search/candidates/candidate_lists.hpp"
#include "search/candidates/refine_bounds.hpp"
#include "search/candidates/topk_reservoir.hpp"
#include "search/scan.hpp"
#include "support/ieee_mode.hpp"
#include "support/madvise.hpp"
#include "support/parallel.hpp"

namespace twinlens {

// Rows of one work item: enough to stream from memory, few enough to balance threads.
constexpr std::int64_t scan_rows = 4096;

// Starting a thread takes some 20 us, in which one thread scans about 2^20 codes.
inline std::int64_t worthwhile_threads(const CodedCorpus &corpus, std::int64_t threads) {
    const std::int64_t worth = 1 + corpus.n * corpus.padded / (std::int64_t{1} << 20);
    return std::max<std::int64_t>(1, std::min({threads, worth, 1 + corpus.n / scan_rows}));
}

class CodedTopk {
  public:
    CodedTopk(const CodedCorpus &corpus, const float *queries, const QueryCodes &codes,
              std::int64_t k, const KernelTable &kernels, std::int64_t threads)
        : corpus_(corpus), queries_(queries), codes_(codes), k_(k), kernels_(kernels),
          threads_(worthwhile_threads(corpus, threads)), floors_(codes.size()),
          merged_(static_cast<std::size_t>(codes.size())) {
        for (std::int64_t worker = 0; worker < threads_; ++worker) {
            scans_.push_back(std::make_unique<Scan>(corpus, codes, kernels));
            lists_.push_back(
                std::make_unique<CandidateLists>(corpus, codes, queries, kernels, k, floors_));
            works_.emplace_back(static_cast<std::size_t>(corpus.padded));
        }
    }

    void run(bool mapped, std::int64_t *ids, double *scores) {
        const std::int64_t parts = (corpus_.n + scan_rows - 1) / scan_rows;
        parallel_for(parts, threads_, [&](std::int64_t part, std::int64_t worker) {
            const std::int64_t first = part * scan_rows;
            const auto at = static_cast<std::size_t>(worker);
            scans_[at]->rows(first, std::min(corpus_.n, first + scan_rows), *lists_[at]);
        });
        merge();
        const std::int64_t n = codes_.size(), threads = std::min(threads_, n);
        parallel_for(n, threads, [&](std::int64_t query, std::int64_t worker) {
            tighten(query, works_[static_cast<std::size_t>(worker)].data());
        });
        if (mapped) {
            advise_rows();
        }
        parallel_for(n, threads, [&](std::int64_t query, std::int64_t worker) {
            finish(query, ids + query * k_, scores + query * k_,
                   works_[static_cast<std::size_t>(worker)].data());
        });
    }

  private:
    // Joins the candidates of all threads in one list a query.
    void merge() {
        for (std::int64_t query = 0; query < codes_.size(); ++query) {
            std::vector<Candidate> &all = merged_[static_cast<std::size_t>(query)];
            for (const auto &lists : lists_) {
                all.insert(all.end(), lists->begin(query), lists->end(query));
            }
        }
    }

    void tighten(std::int64_t query, double *work) {
        const IeeeMode mode;
        std::vector<Candidate> &all = merged_[static_cast<std::size_t>(query)];
        const QueryUnits &units = codes_.units(query);
        drop(query, all, units);
        if (corpus_.residual != nullptr) {
            refine_bounds(corpus_, kernels_, queries_ + query * corpus_.width, units, all.data(),
                          all.data() + all.size(), work);
            drop(query, all, units);
        }
        sort_by_row(all.data(), all.data() + all.size());
    }

    void drop(std::int64_t query, std::vector<Candidate> &all, const QueryUnits &units) {
        Candidate *first = all.data(), *last = first + all.size();
        floors_.raise(query, floor_of_lower_bounds(first, last, k_, units));
        last = drop_below(floors_.of(query), first, last);
        all.resize(static_cast<std::size_t>(last - first));
    }

    void advise_rows() const {
        for (const std::vector<Candidate> &all : merged_) {
            for (const Candidate &one : all) {
                advise_will_need(corpus_.rows + one.row * corpus_.width,
                                 static_cast<std::size_t>(corpus_.width) * sizeof(float));
            }
        }
    }

    void finish(std::int64_t query, std::int64_t *ids, double *scores, double *work) {
        const IeeeMode mode;
        TopkReservoir best(k_);
        for (const auto &lists : lists_) {
            lists->offer_scored(query, best);
        }
        const QueryUnits &units = codes_.units(query);
        const Rescorer rescorer{corpus_, kernels_, queries_ + query * corpus_.width, units, work};
        std::vector<Candidate> &all = merged_[static_cast<std::size_t>(query)];
        Candidate *first = all.data(), *last = first + all.size();
        float floor = floors_.of(query);
        // The k highest upper bounds first: their exact scores raise the floor above most of the
        // others.
        if (last - first > k_) {
            Candidate *likely = first + k_;
            std::nth_element(first, likely, last, [](const Candidate &a, const Candidate &b) {
                return a.upper > b.upper;
            });
            sort_by_row(first, likely);
            floor = rescorer.offer(first, likely, best, floor);
            last = drop_below(floor, likely, last);
            first = likely;
            sort_by_row(first, last);
        }
        rescorer.offer(first, last, best, floor);
        best.rank(ids, scores);
    }

    const CodedCorpus &corpus_;
    const float *queries_;
    const QueryCodes &codes_;
    std::int64_t k_;
    const KernelTable &kernels_;
    std::int64_t threads_;
    SharedFloors floors_;
    std::vector<std::vector<Candidate>> merged_;
    std::vector<std::unique_ptr<Scan>> scans_;
    std::vector<std::unique_ptr<CandidateLists>> lists_;
    std::vector<std::vector<double>> works_;
};

struct TopkResult {
    std::int64_t *ids; // [n, k]
    double *scores;    // [n, k]
    std::int64_t k;
};

// Queries of one pass over the codes: at most 256, whose planes stay in the L2 cache, and whose
// candidates take some 100 MB a thread.
inline std::int64_t queries_a_pass(std::int64_t k, std::int64_t n_rows) {
    constexpr std::int64_t most = 256, candidates = std::int64_t{1} << 22;
    const std::int64_t room = candidates / (CandidateLists::capacity(k, n_rows) + k);
    return std::clamp<std::int64_t>(room / lanes * lanes, lanes, most);
}

inline void coded_topk(const CodedCorpus &corpus, const float *queries, std::int64_t n,
                       const float *centre, const TopkResult &result, bool mapped,
                       const KernelTable &kernels, std::int64_t threads) {
    const IeeeMode mode; // queries are encoded on the caller's thread
    const std::int64_t step = queries_a_pass(result.k, corpus.n);
    for (std::int64_t first = 0; first < n; first += step) {
        const float *part = queries + first * corpus.width;
        const QueryCodes codes(part, std::min(step, n - first), centre, corpus.width, kernels,
                               result.k);
        CodedTopk(corpus, part, codes, result.k, kernels, threads)
            .run(mapped, result.ids + first * result.k, result.scores + first * result.k);
    }
}

} // namespace twinlens
