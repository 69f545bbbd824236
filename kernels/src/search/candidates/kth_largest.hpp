// kth_largest.hpp - the k-th largest of n numbers, 1 <= k <= n, none of them NaN; reorders them.
//
// Bounds of one query lie close together, so buckets of equal width find the neighbourhood in two
// passes without a branch on the numbers: 3,000 take 6 us, std::nth_element of structures 30.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>

#include "search/candidates/extremes.hpp"

namespace twinlens {

namespace detail {

inline float kth_by_partition(float *first, float *last, std::int64_t k) {
    std::nth_element(first, first + (k - 1), last, std::greater<>());
    return first[k - 1];
}

} // namespace detail

inline float kth_largest(float *first, float *last, std::int64_t k) {
    constexpr std::int64_t buckets = 256, worthwhile = 128;
    if (last - first < worthwhile) {
        return detail::kth_by_partition(first, last, k);
    }
    const auto [low, high] = extremes(last - first, [first](std::int64_t i) { return first[i]; });
    const float scale = static_cast<float>(buckets - 1) / (high - low);
    if (!(scale > 0 && std::isfinite(scale) && std::isfinite(high - low))) {
        return detail::kth_by_partition(first, last, k);
    }
    // Subtraction and multiplication round monotonically: a larger number is in no lower bucket.
    const auto bucket = [least = low, scale](float number) {
        return std::min(buckets - 1, static_cast<std::int64_t>((number - least) * scale));
    };
    std::int64_t counts[buckets] = {};
    for (const float *one = first; one != last; ++one) {
        ++counts[bucket(*one)];
    }
    std::int64_t above = 0, chosen = buckets - 1;
    while (above + counts[chosen] < k) {
        above += counts[chosen--];
    }
    float *end = first;
    for (const float *one = first; one != last; ++one) {
        const float number = *one;
        *end = number;
        end += bucket(number) == chosen ? 1 : 0;
    }
    return detail::kth_by_partition(first, end, k - above);
}

} // namespace twinlens
