// candidate.hpp - a row that may be among the k best of a query, with bounds on its score.
//
// Bounds are in the units of query_codes.hpp, without the centre's share. The k-th largest lower
// bound of any set of rows is below the k-th best score of the corpus: that is a floor.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>

#include "search/query_codes.hpp"

namespace twinlens {

struct Candidate {
    float lower, upper;
    std::int64_t row;

    // A bound that is not finite is replaced by an infinity, which prunes nothing.
    static Candidate between(float lower, float upper, std::int64_t row) {
        constexpr float infinity = std::numeric_limits<float>::infinity();
        return {std::isfinite(lower) ? lower : -infinity, std::isfinite(upper) ? upper : infinity,
                row};
    }
};

// The floor by the k-th largest lower bound; reorders the candidates.
inline float floor_of_lower_bounds(Candidate *first, Candidate *last, std::int64_t k,
                                   const QueryUnits &units) {
    if (last - first < k) {
        return -std::numeric_limits<float>::infinity();
    }
    std::nth_element(first, first + (k - 1), last,
                     [](const Candidate &a, const Candidate &b) { return a.lower > b.lower; });
    return units.floor_below(static_cast<double>(first[k - 1].lower));
}

// Removes candidates whose upper bound is below the floor; returns the new end.
inline Candidate *drop_below(float floor, Candidate *first, Candidate *last) {
    return std::remove_if(first, last, [floor](const Candidate &one) { return one.upper < floor; });
}

inline void sort_by_row(Candidate *first, Candidate *last) {
    std::sort(first, last, [](const Candidate &a, const Candidate &b) { return a.row < b.row; });
}

} // namespace twinlens
