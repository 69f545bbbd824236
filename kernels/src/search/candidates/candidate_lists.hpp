// candidate_lists.hpp - sink of a top-k scan: one thread's candidates of every query.
//
// Contract: the constructor allocates `capacity` candidates a query, nothing later does. After a
// scan, each row of this thread that is among the k best of a query is in the query's list or heap.
// Cost: after every few new candidates a list is pruned by a floor from lower bounds alone. Only a
// list that stays more than half full (duplicates, say) is rescored in float64.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <memory>
#include <vector>

#include "search/candidates/candidate.hpp"
#include "search/candidates/rescore.hpp"
#include "search/candidates/shared_floors.hpp"
#include "search/candidates/topk_heap.hpp"

namespace twinlens {

class CandidateLists {
  public:
    CandidateLists(const CodedCorpus &corpus, const QueryCodes &codes, const float *queries,
                   const KernelTable &kernels, std::int64_t k, SharedFloors &floors)
        : corpus_(corpus), codes_(codes), queries_(queries), kernels_(kernels), k_(k),
          capacity_(capacity(k, corpus.n)), floors_(floors), lists_(size(codes.size())),
          candidates_(new Candidate[size(codes.size() * capacity_)]),
          scores_(size(codes.size() * k), -std::numeric_limits<double>::infinity()),
          ids_(size(codes.size() * k), std::numeric_limits<std::int64_t>::max()),
          work_(size((corpus.width + 1) / 2)) {}

    // Of 1M CLIP rows, some 7 k candidates remain where lower bounds alone raise the floor.
    static std::int64_t capacity(std::int64_t k, std::int64_t n_rows) {
        return std::min(n_rows, 2 * k + std::min<std::int64_t>(14 * k, 1 << 16) + 256);
    }

    float floor(std::int64_t query) const { return floors_.of(query); }

    void take(std::int64_t query, std::int64_t row, float estimate, float margin) {
        List &list = lists_[size(query)];
        begin(query)[list.count++] = Candidate::between(estimate - margin, estimate + margin, row);
        if (list.count >= list.review_at) {
            review(query, list);
        }
    }

    Candidate *begin(std::int64_t query) { return candidates_.get() + query * capacity_; }
    Candidate *end(std::int64_t query) { return begin(query) + lists_[size(query)].count; }

    // Offers the best of the rows that were rescored during the scan.
    template <typename Best> void offer_scored(std::int64_t query, Best &best) const {
        for (std::int64_t i = query * k_; i < (query + 1) * k_; ++i) {
            if (ids_[size(i)] != std::numeric_limits<std::int64_t>::max()) {
                best.offer(scores_[size(i)], ids_[size(i)]);
            }
        }
    }

  private:
    struct List {
        std::int64_t count = 0;
        std::int64_t review_at = 64; // prune the list when it holds so many
    };

    static std::size_t size(std::int64_t n) { return static_cast<std::size_t>(n); }

    void review(std::int64_t query, List &list) {
        Candidate *first = begin(query), *last = end(query);
        const QueryUnits &units = codes_.units(query);
        floors_.raise(query, floor_of_lower_bounds(first, last, k_, units));
        last = drop_below(floors_.of(query), first, last);
        if (last - first > capacity_ / 2) {
            sort_by_row(first, last);
            TopkHeap best(scores_.data() + query * k_, ids_.data() + query * k_, k_);
            const Rescorer rescorer{corpus_, kernels_, queries_ + query * corpus_.width, units,
                                    work_.data()};
            floors_.raise(query, rescorer.offer(first, last, best, floors_.of(query)));
            last = first;
        }
        list.count = last - first;
        list.review_at = std::min(capacity_, list.count + std::max<std::int64_t>(64, k_));
    }

    const CodedCorpus &corpus_;
    const QueryCodes &codes_;
    const float *queries_;
    const KernelTable &kernels_;
    std::int64_t k_, capacity_;
    SharedFloors &floors_;
    std::vector<List> lists_;
    std::unique_ptr<Candidate[]> candidates_; // not initialised: untouched pages take no memory
    std::vector<double> scores_;              // [n, k] heaps of the rows rescored so far
    std::vector<std::int64_t> ids_;
    std::vector<double> work_;
};

} // namespace twinlens
