// work_split.hpp - splits of rows and outputs among the threads of a pool.
#pragma once

#include "operators/compute.hpp"
#include "support/arithmetic.hpp"
#include "support/ieee_mode.hpp"

namespace twinlens::operators {
namespace {

struct Range {
    std::int64_t first, last;
};

// The index-th of `parts` ranges of nearly the same length.
inline Range share_of(std::int64_t n, std::int64_t parts, std::int64_t index) {
    return {n * index / parts, n * (index + 1) / parts};
}

constexpr std::int64_t ceil_div(std::int64_t n, std::int64_t by) { return (n + by - 1) / by; }

// Runs part(index) for each of the parts, in IEEE arithmetic.
template <typename Part> void run(const Pool &pool, std::int64_t parts, const Part &part) {
    const auto call = [](void *work, std::int64_t index) {
        const IeeeMode mode;
        (*static_cast<const Part *>(work))(index);
    };
    void *work = const_cast<void *>(static_cast<const void *>(&part));
    if (parts == 1) {
        call(work, 0);
    } else if (parts > 1) {
        pool.run(pool.state, parts, call, work);
    }
}

// A split into row_parts x out_parts parts.
struct Grid {
    std::int64_t rows, row_parts, out_parts;

    static constexpr std::int64_t tile = 32;
    // Minimum rows per thread; below it, re-reading the weights costs more than it saves.
    static constexpr std::int64_t min_rows_per_thread = 96;

    std::int64_t parts() const { return row_parts * out_parts; }

    Range rows_of(std::int64_t index) const {
        const Range tiles = share_of(ceil_div(rows, tile), row_parts, index / out_parts);
        return {tiles.first * tile, min(tiles.last * tile, rows)};
    }

    Range outs_of(std::int64_t index, std::int64_t n) const {
        return share_of(n, out_parts, index % out_parts);
    }
};

// Splits many rows among the threads, each of which reads all weights. Few rows stay together and
// the outputs are split: quantizing the rows in every thread costs less than reading the weights
// again.
inline Grid grid(std::int64_t rows, int threads, std::int64_t most_rows) {
    const auto n_threads = static_cast<std::int64_t>(max(threads, 1));
    const std::int64_t row_parts =
        clamp<std::int64_t>(rows / Grid::min_rows_per_thread, 1, n_threads);
    if (row_parts < n_threads) {
        return {rows, max(row_parts, ceil_div(rows, most_rows)), ceil_div(n_threads, row_parts)};
    }
    return {rows, n_threads * ceil_div(rows, n_threads * most_rows), 1};
}

} // namespace
} // namespace twinlens::operators
