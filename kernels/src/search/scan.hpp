// scan.hpp - the pass over the codes: hands every pair whose upper bound reaches the floor to a
// sink.
//
// Contract: sink.floor(query), in the units of query_codes.hpp, may rise during the scan;
// sink.take(query, row, estimate, margin) receives the pairs. The constructor allocates, the scan
// does not. One scan serves one thread.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <vector>

#include "search/coded_corpus.hpp"
#include "search/kernel_table.hpp"
#include "search/query_codes.hpp"
#include "support/ieee_mode.hpp"

namespace twinlens {

class Scan {
  public:
    Scan(const CodedCorpus &corpus, const QueryCodes &queries, const KernelTable &kernels)
        : corpus_(corpus), queries_(queries), kernels_(kernels), blocks_(corpus),
          groups_(queries.groups()), dots_(2 * block_rows * lanes / 16),
          pairs_(block_rows * lanes) {
        // Lanes beyond the last query reach nothing.
        for (std::int64_t lane = queries.size(); lane < queries.n_groups() * lanes; ++lane) {
            groups_.back().floor[lane % lanes] = std::numeric_limits<float>::infinity();
        }
    }

    template <typename Sink> void rows(std::int64_t first, std::int64_t last, Sink &sink) {
        scan(sink, [&](const auto &visit) { blocks_.each(first, last, visit); });
    }

    // The same for n given rows.
    template <typename Sink> void rows(const std::int64_t *rows, std::int64_t n, Sink &sink) {
        scan(sink, [&](const auto &visit) { blocks_.each_of(rows, n, visit); });
    }

  private:
    template <typename Sink, typename Walk> void scan(Sink &sink, const Walk &walk) {
        const IeeeMode mode;
        if (kernels_.begin != nullptr) {
            kernels_.begin();
        }
        for (std::int64_t group = 0; group < queries_.n_groups(); ++group) {
            refresh(group, sink);
        }
        walk([&](const Block &block) { visit(block, sink); });
        if (kernels_.end != nullptr) {
            kernels_.end();
        }
    }

    // A single call per block prefetches 32 rows ahead of those it multiplies; of several calls,
    // each prefetches its share of the next block.
    Prefetch share(const Block &block, std::int64_t call, std::int64_t calls) const {
        constexpr std::int64_t step_lines = prefetch_step / 64, rows_ahead = 32;
        if (block.ids != nullptr || call >= step_lines) {
            return {nullptr, 0};
        }
        const std::int64_t lines = std::max<std::int64_t>(1, step_lines / calls);
        const std::int64_t steps = block_rows * corpus_.padded / prefetch_step;
        const std::int64_t first = calls == 1 ? rows_ahead : block_rows;
        return {block.rows.codes + first * corpus_.padded + call * steps * lines * 64, lines};
    }

    template <typename Sink> void visit(const Block &block, Sink &sink) {
        std::int32_t *dots = dots_.front().numbers;
        if (queries_.few()) {
            kernels_.dots_few(block.rows, queries_.numbers(), queries_.size(), share(block, 0, 1),
                              dots);
            for (std::int64_t query = 0; query < queries_.size(); ++query) {
                const std::int64_t count =
                    kernels_.prune_few(dots + query * 2 * block_rows, queries_.base(), block.rows,
                                       groups_.front(), query, pairs_.data());
                emit(block, count, 0, sink);
            }
            return;
        }
        const std::int64_t groups_a_call = queries_.two_planes() ? 1 : 2;
        const std::int64_t calls = (queries_.n_groups() + groups_a_call - 1) / groups_a_call;
        for (std::int64_t call = 0; call < calls; ++call) {
            const bool single = !queries_.two_planes() && 2 * call + 1 == queries_.n_groups();
            const auto multiply =
                single && kernels_.dots_one != nullptr ? kernels_.dots_one : kernels_.dots;
            multiply(block.rows, queries_.plane_pair(call), share(block, call, calls), dots);
            for (std::int64_t i = 0; i < groups_a_call; ++i) {
                const std::int64_t group = call * groups_a_call + i;
                if (group < queries_.n_groups()) {
                    prune(block, dots + i * block_rows * lanes, group, sink);
                }
            }
        }
    }

    template <typename Sink>
    void prune(const Block &block, const std::int32_t *dots, std::int64_t group, Sink &sink) {
        const std::int64_t count =
            kernels_.prune(dots, queries_.base(), block.rows,
                           groups_[static_cast<std::size_t>(group)], pairs_.data());
        emit(block, count, group, sink);
    }

    template <typename Sink>
    void emit(const Block &visited, std::int64_t count, std::int64_t group, Sink &sink) {
        if (count == 0) {
            return;
        }
        const Block block = visited; // a copy, which no pair that the sink writes can alter
        const std::int64_t n = queries_.size();
        for (const CandidatePair *pair = pairs_.data(), *end = pair + count; pair != end; ++pair) {
            const std::int64_t query = group * lanes + pair->lane;
            if (block.holds(pair->row) && query < n) {
                sink.take(query, block.id(pair->row), pair->estimate, pair->margin);
            }
        }
        refresh(group, sink);
    }

    template <typename Sink> void refresh(std::int64_t group, const Sink &sink) {
        const std::int64_t last = std::min(queries_.size() - group * lanes, lanes);
        for (std::int64_t lane = 0; lane < last; ++lane) {
            groups_[static_cast<std::size_t>(group)].floor[lane] = sink.floor(group * lanes + lane);
        }
    }

    struct alignas(64) Line {
        std::int32_t numbers[16];
    };

    const CodedCorpus &corpus_;
    const QueryCodes &queries_;
    const KernelTable &kernels_;
    Blocks blocks_;
    std::vector<Lanes> groups_; // with the floors last read by this thread
    std::vector<Line> dots_;
    std::vector<CandidatePair> pairs_;
};

} // namespace twinlens
