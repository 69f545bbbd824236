// parallel.hpp - work(item, worker) for each of n items, on up to `threads` threads.
//
// Contract: worker < threads, and no two calls with one worker overlap. The caller's thread is
// worker 0. Where the system starts fewer threads, those do all the work. An exception of `work`
// (out-of-memory, say) stops the remaining items, and is rethrown once all threads are joined.
#pragma once

#include <atomic>
#include <cstdint>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

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
    std::vector<std::thread> others;
    others.reserve(static_cast<std::size_t>(threads));
    try {
        for (std::int64_t worker = 1; worker < threads; ++worker) {
            others.emplace_back(run, worker);
        }
    } catch (const std::system_error &) {
        // The system starts no more threads: those that run suffice.
    }
    run(0);
    for (std::thread &other : others) {
        other.join();
    }
    if (failure) {
        std::rethrow_exception(failure);
    }
}

} // namespace twinlens
