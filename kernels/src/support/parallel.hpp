// parallel.hpp - work(item, worker) for each of n items, on up to `threads` threads.
//
// Contract: worker < threads, and no two calls with one worker overlap. The caller's thread is
// worker 0; the others are those of worker_pool.hpp. Where fewer come, those do all the work. An
// exception of `work` (out-of-memory, say) stops the remaining items, and is rethrown once all
// threads have left.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <exception>
#include <mutex>

#include "support/worker_pool.hpp"

namespace twinlens {

template <typename Work> void parallel_for(std::int64_t n, std::int64_t threads, const Work &work) {
    std::atomic<std::int64_t> next{0};
    std::mutex guard;
    std::exception_ptr failure;
    const auto run = [&](std::int64_t worker) {
        try {
            for (std::int64_t item = next++; item < n; item = next++) {
                work(item, worker);
            }
        } catch (...) {
            next = n;
            const std::lock_guard<std::mutex> lock(guard);
            failure = std::current_exception();
        }
    };
    const std::int64_t helpers = std::min(n, threads) - 1;
    if (helpers > 0) {
        const WorkerPool::Call call(run, helpers);
        run(0);
    } else {
        run(0);
    }
    if (failure) {
        std::rethrow_exception(failure);
    }
}

} // namespace twinlens
