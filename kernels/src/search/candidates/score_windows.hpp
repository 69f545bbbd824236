// score_windows.hpp - float64 scores of the candidates of many queries, row after row.
//
// The candidates of a window of rows are brought into the order of rows. So a row is read from
// memory once, in the order that it lies there, while the queries stay in the L2 cache: 100,000
// rows, 256 queries and 2,400 candidates of each take half of the time of query after query.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "search/candidates/candidate.hpp"
#include "search/coded_corpus.hpp"
#include "search/kernel_table.hpp"
#include "support/ieee_mode.hpp"
#include "support/parallel.hpp"

namespace twinlens {

// Candidates of one query in the order of rows.
struct ToScore {
    Candidate *first = nullptr, *last = nullptr;

    std::int64_t size() const { return last - first; }
};

class ScoreWindows {
  public:
    ScoreWindows(const CodedCorpus &corpus, const float *queries, const KernelTable &kernels,
                 const std::vector<ToScore> &of_queries, std::int64_t threads)
        : corpus_(corpus), queries_(queries), kernels_(kernels), of_queries_(of_queries) {
        constexpr std::int64_t a_thread = 1024; // scores that take as long as a thread's start
        // Pairs whose list stays in the L2 cache, of rows whose counts stay in the L1: with 1,024
        // pairs, going through the lists of 256 queries again and again takes a tenth of the time.
        constexpr std::int64_t pairs = 4096, most_rows = 4096;
        for (const ToScore &of_query : of_queries) {
            total_ += of_query.size();
        }
        threads_ = std::clamp<std::int64_t>(total_ / a_thread, 1, threads);
        rows_ = std::clamp<std::int64_t>(pairs * corpus.n / (1 + total_), 1, most_rows);
    }

    void run() const {
        if (total_ == 0) {
            return;
        }
        const std::int64_t windows = (corpus_.n + rows_ - 1) / rows_;
        const std::int64_t parts = threads_ == 1 ? 1 : std::min(windows, 8 * threads_);
        std::vector<std::vector<double>> works(
            static_cast<std::size_t>(threads_),
            std::vector<double>(static_cast<std::size_t>(2 * corpus_.width)));
        parallel_for(parts, threads_, [&](std::int64_t part, std::int64_t worker) {
            const IeeeMode mode;
            score(windows * part / parts, windows * (part + 1) / parts,
                  works[static_cast<std::size_t>(worker)].data());
        });
    }

  private:
    // A query that scores a row.
    struct Pair {
        const float *query;
        Candidate *one;
    };

    // The pairs of a window by row, and the first and last of each row.
    struct Window {
        std::vector<Pair> pairs;
        std::vector<std::uint32_t>
            ends; // of each row; the first of it is the end of the one before

        // Where the row of pair `at` ends, in a window that begins with row `first`.
        std::uint32_t end_of_next(std::uint32_t at, std::int64_t first) const {
            return at < pairs.size() ? ends[static_cast<std::size_t>(pairs[at].one->row - first)]
                                     : at;
        }
    };

    void score(std::int64_t first, std::int64_t last, double *work) const {
        std::vector<Candidate *> at;
        for (const ToScore &of_query : of_queries_) {
            at.push_back(std::lower_bound(
                of_query.first, of_query.last, first * rows_,
                [](const Candidate &one, std::int64_t row) { return one.row < row; }));
        }
        Window window;
        for (std::int64_t i = first; i < last; ++i) {
            collect(i * rows_, at, window);
            score(i * rows_, window, work);
        }
    }

    // Moves the candidates of the rows from `first` on into a window, by counting.
    void collect(std::int64_t first, std::vector<Candidate *> &at, Window &window) const {
        window.ends.assign(static_cast<std::size_t>(rows_) + 1, 0);
        std::uint32_t *counts = window.ends.data() + 1;
        for (std::size_t query = 0; query < at.size(); ++query) {
            for (const Candidate *one = at[query];
                 one != of_queries_[query].last && one->row < first + rows_; ++one) {
                ++counts[one->row - first];
            }
        }
        std::uint32_t n = 0;
        for (std::uint32_t &start : window.ends) {
            n += start;
            start = n;
        }
        window.pairs.resize(n);
        for (std::size_t query = 0; query < at.size(); ++query) {
            const ToScore &of_query = of_queries_[query];
            const float *asked = queries_ + static_cast<std::int64_t>(query) * corpus_.width;
            Candidate *&one = at[query];
            for (; one != of_query.last && one->row < first + rows_; ++one) {
                window.pairs[window.ends[static_cast<std::size_t>(one->row - first)]++] = {asked,
                                                                                           one};
            }
        }
    }

    void score(std::int64_t first, const Window &window, double *work) const {
        std::uint32_t begin = 0;
        const std::int64_t last = std::min(first + rows_, corpus_.n);
        for (std::int64_t row = first; row < last; ++row) {
            const std::uint32_t end = window.ends[static_cast<std::size_t>(row - first)];
            if (begin == end) {
                continue;
            }
            // The row after the next one: the next was asked for a row ago.
            const std::uint32_t ahead = window.end_of_next(end, first);
            const std::int64_t next =
                ahead < window.pairs.size() ? window.pairs[ahead].one->row : row;
            score(row, window.pairs.data() + begin, window.pairs.data() + end, numbers(next), work);
            begin = end;
        }
    }

    void score(std::int64_t row, const Pair *first, const Pair *last, const float *next,
               double *work) const {
        constexpr std::int64_t at_once = 64;
        while (first != last) {
            const std::int64_t n = std::min<std::int64_t>(at_once, last - first);
            const float *queries[at_once];
            double scores[at_once];
            for (std::int64_t i = 0; i < n; ++i) {
                queries[i] = first[i].query;
            }
            kernels_.exact_scores(numbers(row), queries, n, corpus_.width, next, work, scores);
            for (std::int64_t i = 0; i < n; ++i) {
                first[i].one->put_score(ranked_score(scores[i]));
            }
            first += n;
        }
    }

    const float *numbers(std::int64_t row) const { return corpus_.rows + row * corpus_.width; }

    const CodedCorpus &corpus_;
    const float *queries_;
    const KernelTable &kernels_;
    const std::vector<ToScore> &of_queries_;
    std::int64_t total_ = 0, threads_, rows_;
};

} // namespace twinlens
