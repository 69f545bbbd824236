// dot_neon.hpp - sums of products of signed bytes by NEON, as the file's instruction set has them.
//
// The compilers of ARM tell by macros which instructions a file may use. In an unnamed namespace,
// see support/arithmetic.hpp: without dot products the same name means another type.
#pragma once

#include <cstdint>

#include <arm_neon.h>

namespace twinlens {
namespace {

#if defined(__ARM_FEATURE_DOTPROD)

// Four sums, each of the products of four neighbouring bytes.
class QuadSums {
  public:
    void add(int8x16_t a, int8x16_t b) { sums_ = vdotq_s32(sums_, a, b); }
    // b: its quad of that index, for all four sums.
    template <int quad> void add_quad(int8x16_t a, int8x16_t b) {
        sums_ = vdotq_laneq_s32(sums_, a, b, quad);
    }
    int32x4_t totals() const { return sums_; }

  private:
    int32x4_t sums_ = vdupq_n_s32(0);
};

constexpr bool has_dot_products = true;

#else

class QuadSums {
  public:
    void add(int8x16_t a, int8x16_t b) {
        pairs_[0] = vpadalq_s16(pairs_[0], vmull_s8(vget_low_s8(a), vget_low_s8(b)));
        pairs_[1] = vpadalq_s16(pairs_[1], vmull_high_s8(a, b));
    }
    template <int quad> void add_quad(int8x16_t a, int8x16_t b) {
        add(a, vreinterpretq_s8_s32(vdupq_laneq_s32(vreinterpretq_s32_s8(b), quad)));
    }
    int32x4_t totals() const { return vpaddq_s32(pairs_[0], pairs_[1]); }

  private:
    int32x4_t pairs_[2] = {vdupq_n_s32(0), vdupq_n_s32(0)}; // sums of two products
};

constexpr bool has_dot_products = false;

#endif

} // namespace
} // namespace twinlens
