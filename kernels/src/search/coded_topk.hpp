// coded_topk.hpp - exact top-k search: a pass over the codes prunes, float64 scores decide.
//
// Contract: queries [n, width] are finite, n >= 1, 1 <= k <= the number of allowed rows; ids and
// scores [n, k] are written best first, of equal scores the lower row first. Equal to a brute force
// by exact_score.hpp for every instruction set and number of threads: EXACTNESS.md.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <iterator>
#include <limits>
#include <memory>
#include <vector>

#include "search/candidates/candidate_lists.hpp"
#include "search/candidates/kth_largest.hpp"
#include "search/candidates/open_query.hpp"
#include "search/candidates/ranking.hpp"
#include "search/candidates/refine_bounds.hpp"
#include "search/candidates/sampled_floors.hpp"
#include "search/candidates/score_windows.hpp"
#include "search/query_parts.hpp"
#include "search/scan.hpp"
#include "support/ieee_mode.hpp"
#include "support/pages_ahead.hpp"
#include "support/parallel.hpp"

namespace twinlens {

// Rows of one work item, a multiple of a block: enough to stream from memory, few enough to balance
// threads, as the last item is waited for.
constexpr std::int64_t scan_rows = 4096;

inline std::int64_t rows_an_item(std::int64_t n_rows, std::int64_t threads) {
    constexpr std::int64_t items_a_thread = 8, fewest = 4 * block_rows;
    if (threads == 1) {
        return scan_rows;
    }
    const std::int64_t blocks = n_rows / (items_a_thread * threads * block_rows);
    return std::clamp(blocks * block_rows, fewest, scan_rows);
}

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
          open_(static_cast<std::size_t>(codes.size())), to_score_(open_.size()),
          scratch_(static_cast<std::size_t>(threads_)) {
        for (std::int64_t worker = 0; worker < threads_; ++worker) {
            scans_.push_back(std::make_unique<Scan>(corpus, codes, kernels));
        }
    }

    // Guesses the floors; those guessed too high are found by is_answered.
    void guess() {
        const RowSample sample(corpus_, codes_.size(), k_);
        if (sample.size() == 0) {
            return;
        }
        constexpr std::int64_t rows_a_part = 4 * block_rows;
        std::vector<LargestLowerBounds> found(static_cast<std::size_t>(threads_),
                                              {codes_.size(), sample.rank()});
        const std::int64_t parts = (sample.size() + rows_a_part - 1) / rows_a_part;
        parallel_for(parts, threads_, [&](std::int64_t part, std::int64_t worker) {
            const std::int64_t first = part * rows_a_part;
            const auto at = static_cast<std::size_t>(worker);
            scans_[at]->rows(sample.rows() + first, std::min(rows_a_part, sample.size() - first),
                             found[at]);
        });
        std::vector<float> bounds;
        for (std::int64_t query = 0; query < codes_.size(); ++query) {
            bounds.clear();
            for (LargestLowerBounds &of_thread : found) {
                of_thread.append(query, bounds);
            }
            if (static_cast<std::int64_t>(bounds.size()) >= sample.rank()) {
                const float bound =
                    kth_largest(bounds.data(), bounds.data() + bounds.size(), sample.rank());
                floors_.guess(query, codes_.units(query).floor_below(static_cast<double>(bound)));
            }
        }
    }

    void run(bool mapped, std::int64_t *ids, double *scores) {
        for (std::int64_t worker = 0; worker < threads_; ++worker) {
            lists_.push_back(std::make_unique<CandidateLists>(corpus_, codes_, queries_, kernels_,
                                                              k_, threads_, floors_));
        }
        const std::int64_t rows = rows_an_item(corpus_.n, threads_);
        parallel_for((corpus_.n + rows - 1) / rows, threads_,
                     [&](std::int64_t item, std::int64_t worker) {
                         const std::int64_t first = item * rows;
                         const auto at = static_cast<std::size_t>(worker);
                         scans_[at]->rows(first, std::min(corpus_.n, first + rows), *lists_[at]);
                     });
        std::int64_t listed = 0;
        for (const auto &lists : lists_) {
            listed += lists->total();
        }
        each_query(listed, [&](std::int64_t query, Scratch &scratch) { settle(query, scratch); });
        if (mapped) {
            ask_for_rows();
        }
        ScoreWindows(corpus_, queries_, kernels_, to_score_, threads_).run();
        each_query(listed, [&](std::int64_t query, Scratch &) { keep_undecided(query); });
        ScoreWindows(corpus_, queries_, kernels_, to_score_, threads_).run();
        each_query(listed, [&](std::int64_t query, Scratch &scratch) {
            if (is_answered(query)) {
                rank(query, scratch, ids + query * k_, scores + query * k_);
            }
        });
    }

    // False if the guess was too high: then the answer may lack rows.
    bool is_answered(std::int64_t query) const { return floors_.is_proven(query); }

  private:
    // Memory of one thread.
    struct Scratch {
        std::vector<float> bounds;
        std::vector<Candidate> rest;
        std::vector<double> work;
        std::vector<Hit> hits;
        Ranking ranking;
    };

    // On as many threads as the candidates of all queries are worth: going through 2^14 of them
    // takes twice as long as starting a thread.
    template <typename Act> void each_query(std::int64_t candidates, const Act &act) {
        constexpr std::int64_t a_part = 8, a_thread = std::int64_t{1} << 14;
        const std::int64_t n = codes_.size(), parts = (n + a_part - 1) / a_part;
        const std::int64_t threads = std::min({threads_, parts, 1 + candidates / a_thread});
        parallel_for(parts, threads, [&](std::int64_t part, std::int64_t worker) {
            const IeeeMode mode;
            for (std::int64_t query = part * a_part; query < std::min(n, (part + 1) * a_part);
                 ++query) {
                act(query, scratch_[static_cast<std::size_t>(worker)]);
            }
        });
    }

    // Rules out candidates by the floor from all of their lower bounds; of those that are left, the
    // k highest upper bounds are scored first.
    void settle(std::int64_t query, Scratch &scratch) {
        const auto at = static_cast<std::size_t>(query);
        OpenQuery &open = open_[at];
        CandidateLists &first = *lists_.front();
        open.open(first.begin(query), first.end(query), first.end_of_room(query));
        for (std::size_t worker = 1; worker < lists_.size(); ++worker) {
            open.join(lists_[worker]->begin(query), lists_[worker]->end(query));
        }
        rule_out(query, open, scratch.bounds);
        if (!is_answered(query)) {
            return;
        }
        if (corpus_.residual != nullptr) {
            scratch.work.resize(static_cast<std::size_t>(corpus_.width));
            refine_bounds(corpus_, kernels_, queries_ + query * corpus_.width, codes_.units(query),
                          open.left().first, open.left().last, scratch.work.data());
            rule_out(query, open, scratch.bounds);
        }
        to_score_[at] = open.part_likely(k_, few_left(), scratch.bounds, scratch.rest);
    }

    // Candidates of which a part is not worth another way through the rows. Where scores take
    // longer than that way, since rows are wide and each is scored by many queries, a few less pay:
    // 10,000 rows of 1,024, 1,000 hits of 256 queries take 43 ms in place of 48, but those of 16
    // queries 5.4 in place of 4.6.
    std::int64_t few_left() const {
        constexpr std::int64_t wide = 768, scores_a_row = 8;
        const bool scores_decide =
            corpus_.width >= wide && codes_.size() * k_ >= scores_a_row * corpus_.n;
        return scores_decide ? k_ + k_ / 4 : 2 * k_;
    }

    void rule_out(std::int64_t query, OpenQuery &open, std::vector<float> &bounds) {
        const ToScore &left = open.left();
        bounds.resize(static_cast<std::size_t>(left.size()));
        std::transform(left.first, left.last, bounds.begin(),
                       [](const Candidate &one) { return one.lower; });
        if (left.size() >= k_) {
            const float kth = kth_largest(bounds.data(), bounds.data() + left.size(), k_);
            floors_.prove(query, codes_.units(query).floor_below(static_cast<double>(kth)));
        }
        open.drop_below(floors_.of(query));
    }

    // The rows of a mapped file that are left to be scored.
    void ask_for_rows() const {
        const std::size_t row_bytes = static_cast<std::size_t>(corpus_.width) * sizeof(float);
        PagesAhead pages(corpus_.rows, static_cast<std::size_t>(corpus_.n) * row_bytes);
        for (std::size_t query = 0; query < open_.size(); ++query) {
            for (const ToScore &part : {open_[query].left(), to_score_[query]}) {
                for (const Candidate *one = part.first; one != part.last; ++one) {
                    pages.need(corpus_.rows + one->row * corpus_.width, row_bytes);
                }
            }
        }
        pages.ask();
    }

    // The scores of the likely ones raise the floor above most of the others.
    void keep_undecided(std::int64_t query) {
        const auto at = static_cast<std::size_t>(query);
        if (is_answered(query)) {
            floors_.prove(query, codes_.units(query).floor_of_exact(open_[at].worst_score(k_)));
            open_[at].drop_below(floors_.of(query));
            to_score_[at] = open_[at].part_all();
        }
    }

    void rank(std::int64_t query, Scratch &scratch, std::int64_t *ids, double *scores) const {
        scratch.hits.clear();
        for (const auto &lists : lists_) {
            lists->append_scored(query, scratch.hits);
        }
        open_[static_cast<std::size_t>(query)].append_scored(scratch.hits);
        scratch.ranking.rank(scratch.hits, k_, ids, scores);
    }

    const CodedCorpus &corpus_;
    const float *queries_;
    const QueryCodes &codes_;
    std::int64_t k_;
    const KernelTable &kernels_;
    std::int64_t threads_;
    SharedFloors floors_;
    std::vector<OpenQuery> open_;
    std::vector<ToScore> to_score_;
    std::vector<Scratch> scratch_;
    std::vector<std::unique_ptr<Scan>> scans_;
    std::vector<std::unique_ptr<CandidateLists>> lists_;
};

struct TopkResult {
    std::int64_t *ids; // [n, k]
    double *scores;    // [n, k]
    std::int64_t k;
};

// A copy of many queries at the start of a cache line, where numpy's begin anywhere: loads that
// cross a line make each exact score a tenth longer.
class AlignedQueries {
  public:
    AlignedQueries(const float *queries, std::int64_t n, std::int64_t width) : queries_(queries) {
        constexpr std::int64_t many = 16, line = sizeof(Bytes64) / sizeof(float);
        if (n >= many) {
            lines_.resize(static_cast<std::size_t>((n * width + line - 1) / line));
            std::memcpy(lines_.data(), queries,
                        static_cast<std::size_t>(n * width) * sizeof(float));
        }
    }
    const float *data() const {
        return lines_.empty() ? queries_ : reinterpret_cast<const float *>(lines_.data());
    }

  private:
    const float *queries_;
    std::vector<Bytes64> lines_;
};

// One pass, by guessed floors or not; returns the queries whose guess was too high.
inline std::vector<std::int64_t> topk_pass(const CodedCorpus &corpus, const float *asked,
                                           std::int64_t n, const float *centre,
                                           const TopkResult &result, bool mapped, bool guess,
                                           const KernelTable &kernels, std::int64_t threads) {
    const AlignedQueries queries(asked, n, corpus.width);
    const QueryCodes codes(asked, n, centre, corpus.width, kernels, result.k, corpus.n);
    CodedTopk search(corpus, queries.data(), codes, result.k, kernels, threads);
    if (guess) {
        search.guess();
    }
    search.run(mapped, result.ids, result.scores);
    std::vector<std::int64_t> open;
    for (std::int64_t query = 0; query < n; ++query) {
        if (!search.is_answered(query)) {
            open.push_back(query);
        }
    }
    return open;
}

// Searches queries of a pass again, without a guess.
inline void topk_again(const CodedCorpus &corpus, const float *queries,
                       const std::vector<std::int64_t> &open, const float *centre,
                       const TopkResult &result, bool mapped, const KernelTable &kernels,
                       std::int64_t threads) {
    const auto n = static_cast<std::int64_t>(open.size()), k = result.k;
    std::vector<float> asked;
    for (const std::int64_t query : open) {
        const float *row = queries + query * corpus.width;
        asked.insert(asked.end(), row, row + corpus.width);
    }
    std::vector<std::int64_t> ids(static_cast<std::size_t>(n * k));
    std::vector<double> scores(ids.size());
    topk_pass(corpus, asked.data(), n, centre, {ids.data(), scores.data(), k}, mapped, false,
              kernels, threads);
    for (std::int64_t i = 0; i < n; ++i) {
        const std::int64_t to = open[static_cast<std::size_t>(i)] * k;
        std::copy_n(ids.begin() + i * k, k, result.ids + to);
        std::copy_n(scores.begin() + i * k, k, result.scores + to);
    }
}

// One pass, and another one for the queries whose guess was too high.
inline void topk_of_part(const CodedCorpus &corpus, const float *queries, std::int64_t n,
                         const float *centre, const TopkResult &result, bool mapped,
                         const KernelTable &kernels, std::int64_t threads) {
    const IeeeMode mode; // queries are encoded on this thread
    const std::vector<std::int64_t> open =
        topk_pass(corpus, queries, n, centre, result, mapped, true, kernels, threads);
    if (!open.empty()) {
        topk_again(corpus, queries, open, centre, result, mapped, kernels, threads);
    }
}

inline void coded_topk(const CodedCorpus &corpus, const float *queries, std::int64_t n,
                       const float *centre, const TopkResult &result, bool mapped,
                       const KernelTable &kernels, std::int64_t threads) {
    const QueryParts parts(corpus, n, result.k, threads);
    parallel_for(parts.count(), parts.threads(), [&](std::int64_t part, std::int64_t) {
        const std::int64_t first = parts.first(part);
        topk_of_part(corpus, queries + first * corpus.width, parts.first(part + 1) - first, centre,
                     {result.ids + first * result.k, result.scores + first * result.k, result.k},
                     mapped, kernels, parts.threads_a_part());
    });
}

} // namespace twinlens
