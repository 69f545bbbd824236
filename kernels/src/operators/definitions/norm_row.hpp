// norm_row.hpp - the layer norm of a row.
#pragma once

#include <math.h>

#include "operators/compute.hpp"

namespace twinlens::operators {
namespace {

// Four partial sums, so that additions do not wait for each other: add(sum, x, the lanes of x).
template <typename Add> float sum_of(const float *x, std::int64_t width, const Add &add) {
    Floats sums[4] = {zeros(), zeros(), zeros(), zeros()};
    std::int64_t at = 0;
    for (; at + 64 <= width; at += 64) {
        for (int i = 0; i < 4; ++i) {
            sums[i] = add(sums[i], load(x + at + 16 * i), all_lanes());
        }
    }
    for (; at < width; at += 16) {
        const First first = lanes_from(at, width);
        sums[0] = add(sums[0], load(x + at, first), first);
    }
    return sum((sums[0] + sums[1]) + (sums[2] + sums[3]));
}

inline void norm_row(const float *x, std::int64_t width, const Norm &norm, float *out) {
    const auto n = static_cast<float>(width);
    const Floats mean =
        broadcast(sum_of(x, width, [](Floats sum, Floats v, First) { return sum + v; }) / n);
    const float squares = sum_of(x, width, [mean](Floats sum, Floats v, First first) {
        const Floats off = kept(v - mean, first);
        return fma(off, off, sum);
    });
    const Floats inverse = broadcast(1.0F / sqrtf(squares / n + norm.epsilon));
    const auto write = [&](std::int64_t at, First first) {
        const Floats off = load(x + at, first) - mean;
        store(out + at,
              fma(off * inverse, load(norm.scale + at, first), load(norm.bias + at, first)), first);
    };
    std::int64_t at = 0;
    for (; at + 16 <= width; at += 16) { // stores under a mask take longer
        write(at, all_lanes());
    }
    if (at < width) {
        write(at, lanes_from(at, width));
    }
}

} // namespace
} // namespace twinlens::operators
