// encode.hpp - codes of all rows, computed by several threads.
//
// Contract: as encode_row.hpp, for rows [n, width]. Returns the first row that is not finite, or
// -1.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <vector>

#include "search/kernel_table.hpp"
#include "support/ieee_mode.hpp"
#include "support/parallel.hpp"

namespace twinlens {

struct CodesToWrite {
    std::uint8_t *codes;    // [n, padded]
    std::uint8_t *residual; // [n, padded], or null
    float *terms;           // [n, 3], or with a residual [n, 5]
    std::int64_t padded;
};

inline std::int64_t encode(const float *rows, std::int64_t n, std::int64_t width,
                           const float *centre, const CodesToWrite &to, const KernelTable &kernels,
                           std::int64_t threads) {
    constexpr std::int64_t rows_a_part = 1024;
    const std::int64_t parts = (n + rows_a_part - 1) / rows_a_part;
    const std::int64_t used = std::max<std::int64_t>(1, std::min(threads, parts));
    const std::int64_t n_terms = to.residual == nullptr ? 3 : 5;
    std::vector<double> work(static_cast<std::size_t>(used * to.padded));
    std::atomic<std::int64_t> bad{n};
    parallel_for(parts, used, [&](std::int64_t part, std::int64_t worker) {
        const IeeeMode mode;
        const std::int64_t last = std::min(n, (part + 1) * rows_a_part);
        for (std::int64_t row = part * rows_a_part; row < last; ++row) {
            std::uint8_t *residual =
                to.residual == nullptr ? nullptr : to.residual + row * to.padded;
            if (!kernels.encode_row(rows + row * width, centre, width,
                                    work.data() + worker * to.padded, to.codes + row * to.padded,
                                    residual, to.terms + row * n_terms)) {
                std::int64_t known = bad.load();
                while (row < known && !bad.compare_exchange_weak(known, row)) {
                }
                return;
            }
        }
    });
    return bad < n ? bad.load() : -1;
}

} // namespace twinlens
