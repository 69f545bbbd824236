// trickle.hpp - prefetch of the next rows while these ones are multiplied, for x86.
#pragma once

#include <cstdint>

#include <immintrin.h>

#include "search/kernel_table.hpp"
#include "support/arithmetic.hpp"

namespace twinlens {
namespace {

// One line at a time, evenly: 32 at once wait for each other. Into the L2 cache: the L1 cache holds
// the planes.
class Trickle {
  public:
    // Advanced after every quad of codes of at_once rows.
    Trickle(Prefetch prefetch, std::int64_t at_once)
        : next_(prefetch.next),
          period_(
              prefetch.lines_a_step == 0
                  ? never
                  : max<std::int64_t>(1, prefetch_step / (4 * at_once * prefetch.lines_a_step))),
          left_(period_) {}

    void advance() {
        if (--left_ == 0) {
            _mm_prefetch(reinterpret_cast<const char *>(next_), _MM_HINT_T1);
            next_ += 64;
            left_ = period_;
        }
    }

  private:
    static constexpr std::int64_t never = INT64_MAX;

    const std::uint8_t *next_;
    std::int64_t period_, left_;
};

} // namespace
} // namespace twinlens
