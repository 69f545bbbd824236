// shared_floors.hpp - floors of all queries, each below the k-th best score, raised by any thread.
//
// Contract: a floor only rises. The thread that raises it, and the moment, change the work but not
// the result.
#pragma once

#include <atomic>
#include <cstdint>
#include <limits>
#include <vector>

namespace twinlens {

class SharedFloors {
  public:
    explicit SharedFloors(std::int64_t n) : floors_(static_cast<std::size_t>(n)) {
        for (std::atomic<float> &floor : floors_) {
            floor.store(-std::numeric_limits<float>::infinity(), std::memory_order_relaxed);
        }
    }

    float of(std::int64_t query) const {
        return floors_[static_cast<std::size_t>(query)].load(std::memory_order_relaxed);
    }

    void raise(std::int64_t query, float floor) {
        std::atomic<float> &shared = floors_[static_cast<std::size_t>(query)];
        float known = shared.load(std::memory_order_relaxed);
        while (known < floor &&
               !shared.compare_exchange_weak(known, floor, std::memory_order_relaxed)) {
        }
    }

  private:
    std::vector<std::atomic<float>> floors_;
};

} // namespace twinlens
