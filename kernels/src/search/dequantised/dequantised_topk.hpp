// dequantised_topk.hpp - exact top-k search of the rows that codes stand for.
//
// Contract: that of coded_topk.hpp, for the rows of dequantised_rows.hpp; the corpus has no rows,
// and its terms bound the scores of these (dequantise.py).
// The bounds are so tight that hardly a row is scored that is no hit: without a residual they are
// those of a rounding, with one its codes refine them. Only equal scores keep a list from
// shrinking.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <vector>

#include "search/candidates/candidate.hpp"
#include "search/candidates/refine_bounds.hpp"
#include "search/candidates/topk_heap.hpp"
#include "search/coded_topk.hpp"
#include "search/dequantised/dequantised_rows.hpp"
#include "search/scan.hpp"
#include "support/ieee_mode.hpp"
#include "support/parallel.hpp"

namespace twinlens {

// Floors of all queries, each below the k-th best score, raised by any thread.
class RisingFloors {
  public:
    explicit RisingFloors(std::int64_t n) : floors_(static_cast<std::size_t>(n)) {
        for (std::atomic<float> &floor : floors_) {
            floor.store(-std::numeric_limits<float>::infinity(), std::memory_order_relaxed);
        }
    }

    float of(std::int64_t query) const {
        return floors_[static_cast<std::size_t>(query)].load(std::memory_order_relaxed);
    }

    void raise(std::int64_t query, float floor) {
        std::atomic<float> &shared = floors_[static_cast<std::size_t>(query)];
        float known = shared.load(std::memory_order_relaxed);
        while (known < floor &&
               !shared.compare_exchange_weak(known, floor, std::memory_order_relaxed)) {
        }
    }

  private:
    std::vector<std::atomic<float>> floors_;
};

// The k best scored rows of one query so far.
struct ScoredRows {
    explicit ScoredRows(std::int64_t k)
        : scores(static_cast<std::size_t>(k), -std::numeric_limits<double>::infinity()),
          rows(static_cast<std::size_t>(k), std::numeric_limits<std::int64_t>::max()) {}

    TopkHeap heap() {
        return {scores.data(), rows.data(), static_cast<std::int64_t>(scores.size())};
    }

    std::vector<double> scores;
    std::vector<std::int64_t> rows;
};

// Sink of a scan: one thread's candidates of every query.
class DequantisedSink {
  public:
    DequantisedSink(const CodedCorpus &corpus, const float *centre, const QueryCodes &codes,
                    const float *queries, std::int64_t k, const KernelTable &kernels,
                    RisingFloors &floors)
        : codes_(codes), queries_(queries), k_(k), kernels_(kernels), floors_(floors),
          rows_(corpus, centre, kernels), lists_(static_cast<std::size_t>(codes.size()), List(k)) {}

    float floor(std::int64_t query) const { return floors_.of(query); }

    void take(std::int64_t query, std::int64_t row, float estimate, float margin) {
        List &list = lists_[static_cast<std::size_t>(query)];
        list.ones.push_back(Candidate::between(estimate - margin, estimate + margin, row));
        if (list.ones.size() >= list.review_at) {
            review(query, list);
            if (list.ones.size() > most_kept(k_)) {
                settle(query, list);
            }
            list.review_at = list.ones.size() + std::max<std::size_t>(64, half(k_));
        }
    }

    // Takes over what another thread has found for a query; no thread uses that query of it again.
    void join(std::int64_t query, DequantisedSink &other) {
        List &own = lists_[static_cast<std::size_t>(query)];
        review(query, own); // so that all of both are refined
        List &its = other.lists_[static_cast<std::size_t>(query)];
        review(query, its);
        own.ones.insert(own.ones.end(), its.ones.begin(), its.ones.end());
        own.refined = own.ones.size();
        TopkHeap heap = own.best.heap();
        for (std::size_t i = 0; i < its.best.rows.size(); ++i) {
            if (its.best.rows[i] != std::numeric_limits<std::int64_t>::max()) {
                heap.offer(its.best.scores[i], its.best.rows[i]);
            }
        }
    }

    // Writes the k best, best first.
    void finish(std::int64_t query, std::int64_t *ids, double *scores) {
        List &list = lists_[static_cast<std::size_t>(query)];
        review(query, list);
        settle(query, list);
        std::vector<std::size_t> order(static_cast<std::size_t>(k_));
        for (std::size_t i = 0; i < order.size(); ++i) {
            order[i] = i;
        }
        const ScoredRows &best = list.best;
        std::sort(order.begin(), order.end(), [&best](std::size_t a, std::size_t b) {
            return best.scores[a] > best.scores[b] ||
                   (best.scores[a] == best.scores[b] && best.rows[a] < best.rows[b]);
        });
        for (std::size_t i = 0; i < order.size(); ++i) {
            ids[i] = best.rows[order[i]];
            scores[i] = best.scores[order[i]];
        }
    }

  private:
    struct List {
        explicit List(std::int64_t k) : best(k) {}
        std::vector<Candidate> ones;
        std::size_t refined = 0; // of them, from the first on
        std::size_t review_at = 64;
        ScoredRows best;
    };

    static std::size_t half(std::int64_t k) { return static_cast<std::size_t>(k / 2); }
    static std::size_t most_kept(std::int64_t k) { return static_cast<std::size_t>(2 * k + 4096); }

    void review(std::int64_t query, List &list) {
        const IeeeMode mode;
        const QueryUnits &units = codes_.units(query);
        const CodedCorpus &corpus = rows_.corpus();
        Candidate *first = list.ones.data(), *last = first + list.ones.size();
        last = drop_below(floors_.of(query), first + list.refined, last);
        if (corpus.residual != nullptr) {
            refine_bounds(corpus, kernels_, queries_ + query * corpus.width, units,
                          first + list.refined, last, rows_.work());
        }
        if (last - first >= k_) {
            lowers_.clear();
            for (const Candidate *one = first; one != last; ++one) {
                lowers_.push_back(one->lower);
            }
            auto kth = lowers_.begin() + static_cast<std::ptrdiff_t>(k_ - 1);
            std::nth_element(lowers_.begin(), kth, lowers_.end(), std::greater<float>());
            floors_.raise(query, units.floor_below(static_cast<double>(*kth)));
        }
        last = drop_below(floors_.of(query), first, last);
        list.ones.resize(static_cast<std::size_t>(last - first));
        list.refined = list.ones.size();
    }

    // Scores the candidates; the list is empty then.
    void settle(std::int64_t query, List &list) {
        const IeeeMode mode;
        const QueryUnits &units = codes_.units(query);
        const float *row = queries_ + query * rows_.corpus().width;
        TopkHeap heap = list.best.heap();
        float floor = floors_.of(query);
        for (std::size_t i = 0; i < list.ones.size(); ++i) {
            const Candidate &one = list.ones[i];
            if (i + 1 < list.ones.size()) {
                rows_.prefetch(list.ones[i + 1].row);
            }
            if (!(one.upper < floor) && heap.offer(rows_.score(row, one.row), one.row)) {
                floor = std::max(floor, units.floor_of_exact(heap.worst()));
            }
        }
        floors_.raise(query, floor);
        list.ones.clear();
        list.refined = 0;
    }

    const QueryCodes &codes_;
    const float *queries_;
    std::int64_t k_;
    const KernelTable &kernels_;
    RisingFloors &floors_;
    DequantisedRows rows_;
    std::vector<List> lists_;
    std::vector<float> lowers_;
};

inline void dequantised_topk_pass(const CodedCorpus &corpus, const float *queries, std::int64_t n,
                                  const float *centre, const TopkResult &result,
                                  const KernelTable &kernels, std::int64_t threads) {
    const IeeeMode mode; // queries are encoded on the caller's thread
    const QueryCodes codes(queries, n, centre, corpus.width, kernels, result.k, corpus.n);
    RisingFloors floors(n);
    const std::int64_t used = worthwhile_threads(corpus, threads);
    std::vector<std::unique_ptr<Scan>> scans;
    std::vector<std::unique_ptr<DequantisedSink>> sinks;
    for (std::int64_t worker = 0; worker < used; ++worker) {
        scans.push_back(std::make_unique<Scan>(corpus, codes, kernels));
        sinks.push_back(std::make_unique<DequantisedSink>(corpus, centre, codes, queries, result.k,
                                                          kernels, floors));
    }
    const std::int64_t parts = (corpus.n + scan_rows - 1) / scan_rows;
    parallel_for(parts, used, [&](std::int64_t part, std::int64_t worker) {
        const auto at = static_cast<std::size_t>(worker);
        const std::int64_t first = part * scan_rows;
        scans[at]->rows(first, std::min(corpus.n, first + scan_rows), *sinks[at]);
    });
    parallel_for(n, std::min(used, n), [&](std::int64_t query, std::int64_t worker) {
        DequantisedSink &own = *sinks[static_cast<std::size_t>(worker)];
        for (const auto &other : sinks) {
            if (other.get() != &own) {
                own.join(query, *other);
            }
        }
        own.finish(query, result.ids + query * result.k, result.scores + query * result.k);
    });
}

inline void dequantised_topk(const CodedCorpus &corpus, const float *queries, std::int64_t n,
                             const float *centre, const TopkResult &result,
                             const KernelTable &kernels, std::int64_t threads) {
    constexpr std::int64_t step = 256;
    for (std::int64_t first = 0; first < n; first += step) {
        dequantised_topk_pass(
            corpus, queries + first * corpus.width, std::min(step, n - first), centre,
            {result.ids + first * result.k, result.scores + first * result.k, result.k}, kernels,
            threads);
    }
}

} // namespace twinlens
