// estimate_rows.hpp - estimates of the cosines of a few queries with all rows, by several threads.
//
// Contract: as isa/estimate_row.hpp, for rows [n_rows, width]; estimates [n_rows, n], row after
// row.
#pragma once

#include <algorithm>
#include <cstdint>

#include "search/kernel_table.hpp"
#include "support/ieee_mode.hpp"
#include "support/parallel.hpp"
#include "support/prefetch.hpp"

namespace twinlens {

template <typename Number> struct RowsToEstimate {
    const Number *rows;    // [n_rows, width]
    const Number *queries; // [n, width], unit rows
    std::int64_t n_rows, n, width;
};

template <typename Number, typename Estimate>
inline void estimate_rows(const RowsToEstimate<Number> &to, float *estimates, Estimate *estimate,
                          std::int64_t threads) {
    // Summing up a row's parts takes as long as reading the row: the next ones are on their way.
    constexpr std::int64_t rows_a_part = 1024, ahead = 4;
    const std::int64_t parts = (to.n_rows + rows_a_part - 1) / rows_a_part;
    // Starting a thread takes some 40 us, in which one thread reads about 2^18 numbers.
    const std::int64_t worth = 1 + to.n_rows * to.width / (std::int64_t{1} << 19);
    const std::int64_t used = std::max<std::int64_t>(1, std::min({threads, parts, worth}));
    parallel_for(parts, used, [&](std::int64_t part, std::int64_t) {
        const IeeeMode mode;
        const std::int64_t last = std::min(to.n_rows, (part + 1) * rows_a_part);
        for (std::int64_t row = part * rows_a_part; row < last; ++row) {
            if (row + ahead < to.n_rows) {
                prefetch_bytes(to.rows + (row + ahead) * to.width,
                               to.width * static_cast<std::int64_t>(sizeof(Number)));
            }
            estimate(to.rows + row * to.width, to.queries, to.n, to.width, estimates + row * to.n);
        }
    });
}

} // namespace twinlens
