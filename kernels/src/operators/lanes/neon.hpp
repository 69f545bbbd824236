// neon.hpp - the lanes of README.md, of four NEON registers.
#pragma once

#include <cstdint>

#include <arm_neon.h>

#include "support/arithmetic.hpp"

namespace twinlens::operators {
namespace {

struct Floats {
    float32x4_t quarters[4];
};

struct Integers {
    int32x4_t quarters[4];
};

// A count: there are no stores by a mask.
struct First {
    std::int64_t count; // 0 .. 16
};

// Of 32 registers: 24 sums, 4 of a vector and a scalar.
constexpr std::int64_t register_rows = 6, register_vectors = 1;

inline First lanes_from(std::int64_t at, std::int64_t width) {
    return {clamp<std::int64_t>(width - at, 0, 16)};
}

inline First all_lanes() { return {16}; }

// Quarter by quarter.
template <typename Result, typename Of> inline Result each_quarter(const Of &of) {
    return {{of(0), of(1), of(2), of(3)}};
}

inline Floats broadcast(float value) {
    const float32x4_t all = vdupq_n_f32(value);
    return {{all, all, all, all}};
}
inline Floats zeros() { return broadcast(0); }
inline Floats load(const float *from) {
    return {{vld1q_f32(from), vld1q_f32(from + 4), vld1q_f32(from + 8), vld1q_f32(from + 12)}};
}
inline void store(float *to, Floats x) {
    for (int i = 0; i < 4; ++i) {
        vst1q_f32(to + 4 * i, x.quarters[i]);
    }
}

// Rows end within a vector where their width is no multiple of 16: seldom.
template <typename T> inline void copy_first(const T *from, std::int64_t count, T *to) {
    for (std::int64_t i = 0; i < count; ++i) {
        to[i] = from[i];
    }
}
inline Floats load_some(const float *from, First first) {
    float all[16] = {};
    copy_first(from, first.count, all);
    return load(all);
}
inline void store_some(float *to, Floats x, First first) {
    float all[16];
    store(all, x);
    copy_first(all, first.count, to);
}
inline Floats load(const float *from, First first) {
    return first.count == 16 ? load(from) : load_some(from, first);
}
inline void store(float *to, Floats x, First first) {
    if (first.count == 16) {
        store(to, x);
    } else {
        store_some(to, x, first);
    }
}

inline Floats operator+(Floats a, Floats b) {
    return each_quarter<Floats>([&](int i) { return vaddq_f32(a.quarters[i], b.quarters[i]); });
}
inline Floats operator-(Floats a, Floats b) {
    return each_quarter<Floats>([&](int i) { return vsubq_f32(a.quarters[i], b.quarters[i]); });
}
inline Floats operator*(Floats a, Floats b) {
    return each_quarter<Floats>([&](int i) { return vmulq_f32(a.quarters[i], b.quarters[i]); });
}
inline Floats operator/(Floats a, Floats b) {
    return each_quarter<Floats>([&](int i) { return vdivq_f32(a.quarters[i], b.quarters[i]); });
}
inline Floats fma(Floats a, Floats b, Floats c) {
    return each_quarter<Floats>(
        [&](int i) { return vfmaq_f32(c.quarters[i], a.quarters[i], b.quarters[i]); });
}
inline Floats fms(Floats a, Floats b, Floats c) {
    return each_quarter<Floats>(
        [&](int i) { return vfmaq_f32(vnegq_f32(c.quarters[i]), a.quarters[i], b.quarters[i]); });
}
inline Floats fnma(Floats a, Floats b, Floats c) {
    return each_quarter<Floats>(
        [&](int i) { return vfmsq_f32(c.quarters[i], a.quarters[i], b.quarters[i]); });
}

// Not fmin and fmax, which give NaN for NaN and order the zeros.
inline float32x4_t at_most(float32x4_t x, float32x4_t limit) {
    return vbslq_f32(vcltq_f32(limit, x), limit, x);
}
inline float32x4_t at_least(float32x4_t x, float32x4_t limit) {
    return vbslq_f32(vcgtq_f32(limit, x), limit, x);
}
inline Floats at_most(Floats x, Floats limit) {
    return each_quarter<Floats>([&](int i) { return at_most(x.quarters[i], limit.quarters[i]); });
}
inline Floats at_least(Floats x, Floats limit) {
    return each_quarter<Floats>([&](int i) { return at_least(x.quarters[i], limit.quarters[i]); });
}
inline Floats chosen_some(First first, Floats inside, Floats beyond) {
    constexpr std::int32_t places[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    const int32x4_t count = vdupq_n_s32(static_cast<std::int32_t>(first.count));
    return each_quarter<Floats>([&](int i) {
        const uint32x4_t mask = vcltq_s32(vld1q_s32(places + 4 * i), count);
        return vbslq_f32(mask, inside.quarters[i], beyond.quarters[i]);
    });
}
inline Floats chosen(First first, Floats inside, Floats beyond) {
    return first.count == 16 ? inside : chosen_some(first, inside, beyond);
}
inline Floats kept(Floats x, First first) { return chosen(first, x, zeros()); }

inline Floats floor(Floats x) {
    return each_quarter<Floats>([&](int i) { return vrndmq_f32(x.quarters[i]); });
}
inline Floats fraction(Floats x) { return x - floor(x); }
// Added to the exponent.
inline Floats times_power(Floats x, Floats t) {
    return each_quarter<Floats>([&](int i) {
        const int32x4_t exponent = vshlq_n_s32(vcvtmq_s32_f32(t.quarters[i]), 23);
        return vreinterpretq_f32_s32(vaddq_s32(vreinterpretq_s32_f32(x.quarters[i]), exponent));
    });
}

inline Integers load(const std::int32_t *from) {
    return {{vld1q_s32(from), vld1q_s32(from + 4), vld1q_s32(from + 8), vld1q_s32(from + 12)}};
}
inline Integers load(const std::int32_t *from, First first) {
    std::int32_t all[16] = {};
    copy_first(from, first.count, all);
    return load(all);
}
inline void store(std::int32_t *to, Integers x) {
    for (int i = 0; i < 4; ++i) {
        vst1q_s32(to + 4 * i, x.quarters[i]);
    }
}
inline Integers integer_zeros() {
    const int32x4_t zero = vdupq_n_s32(0);
    return {{zero, zero, zero, zero}};
}
inline Integers operator*(Integers a, std::int32_t b) {
    return each_quarter<Integers>([&](int i) { return vmulq_n_s32(a.quarters[i], b); });
}
inline Integers larger(Integers a, Integers b) {
    return each_quarter<Integers>([&](int i) { return vmaxq_s32(a.quarters[i], b.quarters[i]); });
}
inline Integers size_bits(Floats x) {
    return each_quarter<Integers>(
        [&](int i) { return vreinterpretq_s32_f32(vabsq_f32(x.quarters[i])); });
}
// The instruction saturates, and makes zero of NaN.
inline Integers rounded(Floats x) {
    const float32x4_t end = vdupq_n_f32(0x1p31F);
    const int32x4_t least = vdupq_n_s32(INT32_MIN);
    return each_quarter<Integers>([&](int i) {
        const float32x4_t own = x.quarters[i];
        return vbslq_s32(vcltq_f32(own, end), vcvtnq_s32_f32(own), least);
    });
}
inline Floats to_floats(Integers x) {
    return each_quarter<Floats>([&](int i) { return vcvtq_f32_s32(x.quarters[i]); });
}

inline float sum(Floats x) {
    const float32x4_t low = vaddq_f32(x.quarters[0], x.quarters[2]);
    const float32x4_t four = vaddq_f32(low, vaddq_f32(x.quarters[1], x.quarters[3]));
    const float32x2_t two = vadd_f32(vget_low_f32(four), vget_high_f32(four));
    return vget_lane_f32(two, 0) + vget_lane_f32(two, 1);
}

inline float largest(Floats x) {
    const float32x4_t low = at_least(x.quarters[0], x.quarters[2]);
    const float32x4_t four = at_least(low, at_least(x.quarters[1], x.quarters[3]));
    const float32x4_t two = at_least(four, vextq_f32(four, four, 2));
    const float lower = vgetq_lane_f32(two, 0), upper = vgetq_lane_f32(two, 1);
    return upper > lower ? upper : lower;
}

inline std::int32_t largest(Integers x) {
    return vmaxvq_s32(vmaxq_s32(vmaxq_s32(x.quarters[0], x.quarters[1]),
                                vmaxq_s32(x.quarters[2], x.quarters[3])));
}

// Saturated to 16 bits.
inline int16x8_t words(const Integers &x, int half) {
    return vqmovn_high_s32(vqmovn_s32(x.quarters[2 * half]), x.quarters[2 * half + 1]);
}
inline void store_bytes(std::uint8_t *to, const Integers (&x)[4]) {
    for (int i = 0; i < 4; ++i) {
        vst1q_u8(to + 16 * i, vqmovun_high_s16(vqmovun_s16(words(x[i], 0)), words(x[i], 1)));
    }
}
inline void store_bytes_above_128(std::uint8_t *to, const Integers (&x)[4]) {
    for (int i = 0; i < 4; ++i) {
        const int8x16_t bytes = vqmovn_high_s16(vqmovn_s16(words(x[i], 0)), words(x[i], 1));
        vst1q_u8(to + 16 * i, veorq_u8(vreinterpretq_u8_s8(bytes), vdupq_n_u8(128)));
    }
}

inline void prefetch(const void *line) { __builtin_prefetch(line, 0, 2); }

// In place.
inline void transpose_four(float32x4_t (&rows)[4]) {
    const float32x4_t a = vtrn1q_f32(rows[0], rows[1]), b = vtrn2q_f32(rows[0], rows[1]);
    const float32x4_t c = vtrn1q_f32(rows[2], rows[3]), d = vtrn2q_f32(rows[2], rows[3]);
    const auto left = [](float32x4_t upper, float32x4_t lower) {
        return vcombine_f32(vget_low_f32(upper), vget_low_f32(lower));
    };
    const auto right = [](float32x4_t upper, float32x4_t lower) {
        return vcombine_f32(vget_high_f32(upper), vget_high_f32(lower));
    };
    rows[0] = left(a, c);
    rows[1] = left(b, d);
    rows[2] = right(a, c);
    rows[3] = right(b, d);
}

inline void transpose(const float *from, std::int64_t stride, std::int64_t rows,
                      std::int64_t columns, float *to, std::int64_t to_stride) {
    columns = min<std::int64_t>(columns, 16);
    for (std::int64_t column = 0; column < columns; column += 4) {
        const std::int64_t n = min<std::int64_t>(columns - column, 4);
        for (std::int64_t row = 0; row < 16; row += 4) {
            float32x4_t all[4];
            for (std::int64_t i = 0; i < 4; ++i) {
                float four[4] = {};
                const float *own = from + (row + i) * stride + column;
                if (row + i < rows) {
                    if (n == 4) {
                        all[i] = vld1q_f32(own);
                        continue;
                    }
                    copy_first(own, n, four);
                }
                all[i] = vld1q_f32(four);
            }
            transpose_four(all);
            for (std::int64_t i = 0; i < n; ++i) {
                vst1q_f32(to + (column + i) * to_stride + row, all[i]);
            }
        }
    }
}

// Added, half of the last place rounds up a number that is above the middle, and one in the middle
// whose last place is odd.
inline float32x4_t to_bf16(float32x4_t x) {
    const uint32x4_t bits = vreinterpretq_u32_f32(x);
    const uint32x4_t odd = vandq_u32(vshrq_n_u32(bits, 16), vdupq_n_u32(1));
    const uint32x4_t half = vaddq_u32(odd, vdupq_n_u32(0x7fff));
    const uint32x4_t rounded = vandq_u32(vaddq_u32(bits, half), vdupq_n_u32(0xffff0000U));
    // A carry would make a number of NaN.
    const uint32x4_t number = vbslq_u32(vceqq_f32(x, x), rounded, vdupq_n_u32(0x7fc00000U));
    const uint32x4_t tiny = vcltq_f32(vabsq_f32(x), vdupq_n_f32(smallest_normal_float));
    const uint32x4_t sign = vandq_u32(bits, vdupq_n_u32(0x80000000U));
    return vreinterpretq_f32_u32(vbslq_u32(tiny, sign, number));
}
inline Floats to_bf16(Floats x) {
    return each_quarter<Floats>([&](int i) { return to_bf16(x.quarters[i]); });
}
inline uint32x4_t load_pairs(const std::uint16_t *from) {
    return vreinterpretq_u32_u16(vld1q_u16(from));
}
inline Floats bf16_even(const std::uint16_t *from) {
    return each_quarter<Floats>(
        [&](int i) { return vreinterpretq_f32_u32(vshlq_n_u32(load_pairs(from + 8 * i), 16)); });
}
inline Floats bf16_odd(const std::uint16_t *from) {
    return each_quarter<Floats>([&](int i) {
        return vreinterpretq_f32_u32(vandq_u32(load_pairs(from + 8 * i), vdupq_n_u32(0xffff0000U)));
    });
}

} // namespace
} // namespace twinlens::operators
