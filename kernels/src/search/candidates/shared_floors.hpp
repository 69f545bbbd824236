// shared_floors.hpp - floors of all queries, raised by any thread.
//
// Contract: a proven floor is below the k-th best score; a floor in use is that, or a guess that is
// higher. Both only rise. The thread that raises one, and the moment, change the work but not the
// result.
#pragma once

#include <atomic>
#include <cstdint>
#include <limits>
#include <vector>

namespace twinlens {

class SharedFloors {
  public:
    explicit SharedFloors(std::int64_t n) : floors_(static_cast<std::size_t>(n)) {}

    // The floor in use.
    float of(std::int64_t query) const {
        return floors_[static_cast<std::size_t>(query)].used.load(std::memory_order_relaxed);
    }

    void guess(std::int64_t query, float floor) {
        raise(floors_[static_cast<std::size_t>(query)].used, floor);
    }

    void prove(std::int64_t query, float floor) {
        raise(floors_[static_cast<std::size_t>(query)].proven, floor);
        raise(floors_[static_cast<std::size_t>(query)].used, floor);
    }

    // True if the floor in use, and so each that was, is below the k-th best score.
    bool is_proven(std::int64_t query) const {
        const Floor &floor = floors_[static_cast<std::size_t>(query)];
        return floor.used.load(std::memory_order_relaxed) <=
               floor.proven.load(std::memory_order_relaxed);
    }

  private:
    struct Floor {
        std::atomic<float> used{-std::numeric_limits<float>::infinity()};
        std::atomic<float> proven{-std::numeric_limits<float>::infinity()};
    };

    static void raise(std::atomic<float> &shared, float floor) {
        float known = shared.load(std::memory_order_relaxed);
        while (known < floor &&
               !shared.compare_exchange_weak(known, floor, std::memory_order_relaxed)) {
        }
    }

    std::vector<Floor> floors_;
};

} // namespace twinlens
