// extremes.hpp - the least and the largest of n >= 1 numbers, none of them NaN.
//
// Four at a time: a single chain of comparisons waits four cycles for each.
#pragma once

#include <algorithm>
#include <cstdint>

namespace twinlens {

template <typename Number> struct Extremes {
    Number low, high;
};

// number(i) is the i-th of them.
template <typename Read> auto extremes(std::int64_t n, const Read &number) {
    using Number = decltype(number(0));
    constexpr int chains = 4;
    Number low[chains], high[chains];
    std::fill_n(low, chains, number(0));
    std::fill_n(high, chains, number(0));
    std::int64_t at = 0;
    for (; at + chains <= n; at += chains) {
        for (int i = 0; i < chains; ++i) {
            const Number one = number(at + i);
            low[i] = one < low[i] ? one : low[i];
            high[i] = high[i] < one ? one : high[i];
        }
    }
    for (; at < n; ++at) {
        low[0] = std::min(low[0], number(at));
        high[0] = std::max(high[0], number(at));
    }
    return Extremes<Number>{*std::min_element(low, low + chains),
                            *std::max_element(high, high + chains)};
}

} // namespace twinlens
