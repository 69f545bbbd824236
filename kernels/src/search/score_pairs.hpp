// score_pairs.hpp - float64 scores of given rows, computed by several threads.
//
// Contract: ids [n, columns] are rows; scores [n, columns] as exact_score.hpp defines them.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "search/kernel_table.hpp"
#include "support/ieee_mode.hpp"
#include "support/parallel.hpp"
#include "support/prefetch.hpp"

namespace twinlens {

inline void score_pairs(const float *queries, const float *rows, std::int64_t width,
                        const std::int64_t *ids, std::int64_t n, std::int64_t columns,
                        double *scores, const KernelTable &kernels, std::int64_t threads) {
    constexpr std::int64_t pairs_a_part = 256;
    const std::int64_t pairs = n * columns, parts = (pairs + pairs_a_part - 1) / pairs_a_part;
    const std::int64_t used = std::max<std::int64_t>(1, std::min(threads, parts));
    const std::int64_t half = (width + 1) / 2;
    std::vector<double> work(static_cast<std::size_t>(used * half));
    parallel_for(parts, used, [&](std::int64_t part, std::int64_t worker) {
        const IeeeMode mode;
        const std::int64_t last = std::min(pairs, (part + 1) * pairs_a_part);
        for (std::int64_t pair = part * pairs_a_part; pair < last; ++pair) {
            if (pair + 1 < last) {
                prefetch_bytes(rows + ids[pair + 1] * width,
                               width * static_cast<std::int64_t>(sizeof(float)));
            }
            scores[pair] =
                kernels.exact_score(queries + pair / columns * width, rows + ids[pair] * width,
                                    width, work.data() + worker * half);
        }
    });
}

} // namespace twinlens
