// candidate.hpp - a row that may be among the k best of a query, with bounds on its score.
//
// Bounds are in the units of query_codes.hpp, without the centre's share. The k-th largest lower
// bound of any set of rows is below the k-th best score of the corpus: that is a floor.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>

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

    // Once a row is scored, its score takes the place of the bounds: no memory is touched twice.
    void put_score(double score) { std::memcpy(static_cast<void *>(this), &score, sizeof score); }
    double score() const {
        double score = 0;
        std::memcpy(&score, static_cast<const void *>(this), sizeof score);
        return score;
    }
};
static_assert(offsetof(Candidate, row) == sizeof(double), "a score fits where the bounds are");

// Moves the candidates of first..last whose upper bound reaches the floor to `to`, in their order;
// returns the end. Without a branch: nothing predicts which ones reach it.
inline Candidate *copy_reaching(float floor, const Candidate *first, const Candidate *last,
                                Candidate *to) {
    for (; first != last; ++first) {
        const Candidate one = *first;
        *to = one;
        to += one.upper < floor ? 0 : 1;
    }
    return to;
}

// Removes candidates whose upper bound is below the floor; returns the new end.
inline Candidate *drop_below(float floor, Candidate *first, Candidate *last) {
    return copy_reaching(floor, first, last, first);
}

} // namespace twinlens
