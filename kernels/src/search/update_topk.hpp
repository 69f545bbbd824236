// update_topk.hpp - update of one query's top-k heap by a tile of float32 scores.
//
// Contract: scores are those of the scaled query and the scaled tile; one of them times `unit` (a
// power of two) is within reach * length * unit of the pair's float64 score, with some room left
// for the rounding of the sum below (operands.py derives it). All numbers are finite.
// A row is rescored in float64 if its upper bound reaches the worst of the best hits, so none that
// belongs among them is missed. O(n) comparisons, plus O(width + log k) for each rescored row.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>

#include "search/candidates/topk_heap.hpp"
#include "search/exact_score.hpp"

namespace twinlens {

struct Tile {
    const float *rows;    // [n, width], not scaled
    const float *lengths; // [n], of the scaled rows
    std::int64_t n;
    std::int64_t width;
    std::int64_t first_row; // the corpus row that row 0 of the tile is
};

struct Query {
    const float *row;    // [width], not scaled
    const float *scores; // [n]
    float reach;
    double unit;
};

// The largest float that is not above `worst / unit`. Scaled scores stay below 2^41, so clamping
// at 2^100 bars, or lets in, exactly the same rows.
inline float floor_score(double worst, double unit) {
    const double wanted = std::clamp(worst / unit, -0x1p100, 0x1p100);
    const float nearest = static_cast<float>(wanted);
    if (static_cast<double>(nearest) <= wanted) {
        return nearest;
    }
    return std::nextafter(nearest, -std::numeric_limits<float>::infinity());
}

inline void update_topk(const Query &query, const Tile &tile, TopkHeap best, double *work) {
    // Rows compared with the floor at once: a loop without branches, which vectorises.
    constexpr std::int64_t group = 32;
    float floor = floor_score(best.worst(), query.unit);
    const auto reaches = [&](std::int64_t i) {
        return query.scores[i] + query.reach * tile.lengths[i] >= floor;
    };
    for (std::int64_t start = 0; start < tile.n; start += group) {
        const std::int64_t stop = std::min(start + group, tile.n);
        int any = 0;
        for (std::int64_t i = start; i < stop; ++i) {
            any |= static_cast<int>(reaches(i));
        }
        if (any == 0) {
            continue;
        }
        for (std::int64_t i = start; i < stop; ++i) {
            if (!reaches(i)) {
                continue;
            }
            const double score =
                exact_score(query.row, tile.rows + i * tile.width, tile.width, work);
            if (best.offer(score, tile.first_row + i)) {
                floor = floor_score(best.worst(), query.unit);
            }
        }
    }
}

} // namespace twinlens
