// unrolled.hpp - a loop that is unrolled in the source: arrays that only it indexes are registers.
//
// GCC stores an array that a loop indexes to the stack in every round, even where it unrolls the
// loop later: attention took twice as long. In an unnamed namespace, see arithmetic.hpp.
#pragma once

namespace twinlens {
namespace {

template <int n> struct Index {
    static constexpr int value = n;
};

// work(Index<0>()) .. work(Index<n - 1>()); the number is decltype(index)::value.
template <int n, typename Work> void unrolled(const Work &work) {
    if constexpr (n > 0) {
        unrolled<n - 1>(work);
        work(Index<n - 1>());
    }
}

} // namespace
} // namespace twinlens
