// candidate_lists.hpp - sink of a top-k scan: one thread's candidates of every query.
//
// Contract: the constructor allocates `capacity` candidates a query; later only the first list that
// is rescored allocates the heaps. After a scan, each row of this thread that reaches the query's
// floor is in its list, in the order of rows, or was offered to its heap.
//
// Cost: after every few new candidates a list is pruned by a floor from lower bounds alone. Only a
// list that stays more than half full (duplicates, say) is rescored in float64.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <vector>

#include "search/candidates/candidate.hpp"
#include "search/candidates/kth_largest.hpp"
#include "search/candidates/ranking.hpp"
#include "search/candidates/rescore.hpp"
#include "search/candidates/shared_floors.hpp"
#include "search/candidates/topk_heap.hpp"
#include "search/query_codes.hpp"
#include "support/kept_memory.hpp"

namespace twinlens {

class CandidateLists {
  public:
    CandidateLists(const CodedCorpus &corpus, const QueryCodes &codes, const float *queries,
                   const KernelTable &kernels, std::int64_t k, std::int64_t threads,
                   SharedFloors &floors)
        : corpus_(corpus), codes_(codes), queries_(queries), kernels_(kernels), k_(k),
          capacity_(capacity(k, corpus.n, threads)), floors_(floors), lists_(size(codes.size())),
          memory_(size(codes.size() * capacity_) * sizeof(Candidate)), lowers_(size(capacity_)),
          work_(size((corpus.width + 1) / 2)) {
        for (std::int64_t query = 0; query < codes.size(); ++query) {
            // A guess leaves little for a review to drop.
            lists_[size(query)].review_at =
                floors.is_proven(query) ? std::min(capacity_, 2 * k + 64) : capacity_ / 2;
        }
    }

    // Of 1M CLIP rows, some 7 k candidates remain where lower bounds alone raise the floor, and for
    // the hardest of 256 queries 15 k. Each of several threads meets its share.
    static std::int64_t capacity(std::int64_t k, std::int64_t n_rows, std::int64_t threads) {
        const std::int64_t more = std::min<std::int64_t>(30 * k, 1 << 16) / threads;
        return std::min(n_rows + 1, 2 * k + more + 512); // of n_rows + 1, none is ever full
    }

    float floor(std::int64_t query) const { return floors_.of(query); }

    void take(std::int64_t query, std::int64_t row, float estimate, float margin) {
        List &list = lists_[size(query)];
        begin(query)[list.count++] = Candidate::between(estimate - margin, estimate + margin, row);
        if (list.count >= list.review_at) {
            review(query, list);
        }
    }

    Candidate *begin(std::int64_t query) {
        return static_cast<Candidate *>(memory_.data()) + query * capacity_;
    }
    Candidate *end(std::int64_t query) { return begin(query) + lists_[size(query)].count; }

    // Candidates of all queries.
    std::int64_t total() const {
        std::int64_t total = 0;
        for (const List &list : lists_) {
            total += list.count;
        }
        return total;
    }

    Candidate *end_of_room(std::int64_t query) { return begin(query) + capacity_; }

    // Adds the best of the rows that were rescored during the scan.
    void append_scored(std::int64_t query, std::vector<Hit> &hits) const {
        if (ids_.empty()) {
            return;
        }
        for (std::int64_t i = query * k_; i < (query + 1) * k_; ++i) {
            if (ids_[size(i)] != std::numeric_limits<std::int64_t>::max()) {
                hits.push_back({scores_[size(i)], ids_[size(i)]});
            }
        }
    }

  private:
    struct List {
        std::int64_t count = 0;
        std::int64_t review_at = 0; // prune the list when it holds so many
    };

    static std::size_t size(std::int64_t n) { return static_cast<std::size_t>(n); }

    void review(std::int64_t query, List &list) {
        Candidate *first = begin(query), *last = end(query);
        const QueryUnits &units = codes_.units(query);
        if (list.count >= k_) {
            std::transform(first, last, lowers_.begin(),
                           [](const Candidate &one) { return one.lower; });
            const float kth = kth_largest(lowers_.data(), lowers_.data() + list.count, k_);
            floors_.prove(query, units.floor_below(static_cast<double>(kth)));
        }
        last = drop_below(floors_.of(query), first, last);
        if (capacity_ <= corpus_.n && last - first > capacity_ / 2) {
            rescore(query, first, last);
            last = first;
        }
        list.count = last - first;
        list.review_at = std::min(capacity_, list.count + std::max(k_ + 64, list.count));
    }

    void rescore(std::int64_t query, const Candidate *first, const Candidate *last) {
        if (ids_.empty()) {
            const std::size_t all = size(codes_.size() * k_);
            scores_.resize(all, -std::numeric_limits<double>::infinity());
            ids_.resize(all, std::numeric_limits<std::int64_t>::max());
        }
        TopkHeap best(scores_.data() + query * k_, ids_.data() + query * k_, k_);
        const QueryUnits &units = codes_.units(query);
        const Rescorer rescorer{corpus_, kernels_, queries_ + query * corpus_.width, units,
                                work_.data()};
        rescorer.offer(first, last, best, floors_.of(query));
        floors_.prove(query, units.floor_of_exact(best.worst()));
    }

    const CodedCorpus &corpus_;
    const QueryCodes &codes_;
    const float *queries_;
    const KernelTable &kernels_;
    std::int64_t k_, capacity_;
    SharedFloors &floors_;
    std::vector<List> lists_;
    KeptMemory memory_;          // [n, capacity] candidates; untouched pages take no memory
    std::vector<float> lowers_;  // of the list under review
    std::vector<double> scores_; // [n, k] heaps of the rows rescored so far, or empty
    std::vector<std::int64_t> ids_;
    std::vector<double> work_;
};

} // namespace twinlens
