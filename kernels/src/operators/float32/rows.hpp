// rows.hpp - norm and unit_rows of layers.hpp.
#pragma once

#include <math.h>

#include "operators/definitions/norm_row.hpp"
#include "operators/work_split.hpp"
#include "support/arithmetic.hpp"

namespace twinlens::operators::float32 {
namespace {

// Numbers of one part at least, some 10 us: with fewer, waking a thread costs more than it saves.
constexpr std::int64_t least_of_a_part = 64 << 10;

// Calls row(index) for each row.
template <typename Row>
void each_row(std::int64_t rows, std::int64_t width, const Pool &pool, const Row &row) {
    const auto threads = static_cast<std::int64_t>(max(pool.threads, 1));
    const std::int64_t parts =
        min(clamp<std::int64_t>(rows * width / least_of_a_part, 1, threads), rows);
    run(pool, parts, [&](std::int64_t index) {
        const Range own = share_of(rows, parts, index);
        for (std::int64_t at = own.first; at < own.last; ++at) {
            row(at);
        }
    });
}

inline void unit_row(const float *x, std::int64_t width, float *out) {
    const float squares =
        sum_of(x, width, [](Floats sum, Floats v, First) { return fma(v, v, sum); });
    const Floats length = broadcast(sqrtf(squares));
    for (std::int64_t at = 0; at < width; at += 16) {
        const First first = lanes_from(at, width);
        store(out + at, load(x + at, first) / length, first);
    }
}

inline void norm_each(const float *x, std::int64_t rows, std::int64_t width, const Norm &norm,
                      float *out, const Pool &pool) {
    each_row(rows, width, pool,
             [&](std::int64_t at) { norm_row(x + at * width, width, norm, out + at * width); });
}

inline void unit_each(const float *x, std::int64_t rows, std::int64_t width, float *out,
                      const Pool &pool) {
    each_row(rows, width, pool,
             [&](std::int64_t at) { unit_row(x + at * width, width, out + at * width); });
}

} // namespace
} // namespace twinlens::operators::float32
