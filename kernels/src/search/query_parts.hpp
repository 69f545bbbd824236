// query_parts.hpp - the queries of a search as parts, a pass over the codes each.
#pragma once

#include <algorithm>
#include <cstdint>

#include "search/candidates/candidate_lists.hpp"
#include "search/coded_corpus.hpp"
#include "search/kernel_table.hpp"

namespace twinlens {

// Queries of one pass over the codes: at most 256, whose planes stay in the L2 cache, and whose
// candidates take 150 MB of addresses, of which a search touches a tenth.
inline std::int64_t queries_a_pass(std::int64_t k, std::int64_t n_rows) {
    constexpr std::int64_t most = 256, candidates = std::int64_t{9} << 20;
    const std::int64_t room = candidates / (CandidateLists::capacity(k, n_rows, 1) + k);
    return std::clamp<std::int64_t>(room / lanes * lanes, lanes, most);
}

// Parts of the queries, a pass each: one after the other, or each by a thread of its own.
//
// Of few rows each thread reads all codes for its share of the queries: then nothing is to be
// joined, and no step waits for another. 10,000 rows, 256 queries, two threads: 3.0, 6.4 and 14.4
// ms for 10, 100 and 1,000 hits, where halves of the rows take 4.6, 8.0 and 20.3.
class QueryParts {
  public:
    QueryParts(const CodedCorpus &corpus, std::int64_t n, std::int64_t k, std::int64_t threads)
        : n_(n), size_(queries_a_pass(k, corpus.n)), threads_(1), threads_a_part_(threads) {
        if (threads > 1 && threads_take_queries(corpus, threads)) {
            // No more memory than that of a few passes, one after the other.
            constexpr std::int64_t passes = 4;
            const std::int64_t of_thread = (n + threads - 1) / threads;
            size_ = std::min({size_, of_thread, std::max(lanes, passes * size_ / threads)});
            threads_ = std::min(threads, count());
            threads_a_part_ = 1;
        }
    }

    std::int64_t count() const { return (n_ + size_ - 1) / size_; }
    std::int64_t first(std::int64_t part) const { return std::min(n_, part * size_); }
    std::int64_t threads() const { return threads_; }
    std::int64_t threads_a_part() const { return threads_a_part_; }

  private:
    // Codes that stay in the cache serve a group of queries at a time as fast as many groups.
    // Beyond it so many queries multiply for longer than their codes take to come.
    bool threads_take_queries(const CodedCorpus &corpus, std::int64_t threads) const {
        constexpr std::int64_t cached = std::int64_t{1} << 24, most = std::int64_t{1} << 26;
        constexpr std::int64_t least_work = std::int64_t{1} << 24, many = 4 * lanes;
        const std::int64_t codes = corpus.n * corpus.padded;
        return codes <= most && n_ >= threads * (codes <= cached ? lanes : many) &&
               codes * n_ >= least_work;
    }

    std::int64_t n_, size_, threads_, threads_a_part_;
};

} // namespace twinlens
