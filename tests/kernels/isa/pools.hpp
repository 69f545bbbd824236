// pools.hpp - pools of threads for the operators, and the same output by each of them.
#pragma once

#include <cmath>
#include <cstdint>
#include <thread>
#include <vector>

#include "check.hpp"
#include "operators_reference.hpp"

namespace check {

// Threads of its own for every part, or none, in reverse order.
inline Pool pool_of(int threads) {
    static bool real = true, in_turn = false;
    const auto run = [](void *state, std::int64_t parts, void (*part)(void *, std::int64_t),
                        void *work) {
        std::vector<std::thread> others;
        for (std::int64_t index = parts - 1; index >= 0; --index) {
            if (*static_cast<bool *>(state)) {
                others.emplace_back(part, work, index);
            } else {
                part(work, index);
            }
        }
        for (std::thread &other : others) {
            other.join();
        }
    };
    return {threads == 2 ? &real : &in_turn, threads, run};
}

// Returns the output of compute(x, rows, out, pool); expects it to be the same by any number of
// threads, and row by row.
template <typename Compute>
Floats steady(const Compute &compute, const Floats &x, std::int64_t rows, std::int64_t width,
              std::int64_t out_width, const char *table, const char *what) {
    Floats out(size(rows * out_width), NAN);
    compute(x.data(), rows, out.data(), pool_of(1));
    for (const int threads : {2, 3, 7}) {
        Floats other(out.size(), NAN);
        compute(x.data(), rows, other.data(), pool_of(threads));
        expect(same_bits(out, other), "%s %s: %lld rows by %d threads", table, what,
               static_cast<long long>(rows), threads);
    }
    for (int i = 0; i < 3; ++i) {
        const std::int64_t row = whole(0, rows - 1);
        const Floats own(out.begin() + row * out_width, out.begin() + (row + 1) * out_width);
        Floats alone(size(out_width), NAN);
        compute(x.data() + row * width, 1, alone.data(), pool_of(2));
        expect(same_bits(own, alone), "%s %s: row %lld of %lld", table, what,
               static_cast<long long>(row), static_cast<long long>(rows));
    }
    return out;
}

} // namespace check
