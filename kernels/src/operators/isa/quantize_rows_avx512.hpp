// quantize_rows_avx512.hpp - layer norm and quantization of rows, as compute.hpp defines them, by
// AVX-512.
#pragma once

#include <cstring>
#include <math.h>

#include <immintrin.h>

#include "operators/compute.hpp"
#include "operators/isa/exp_avx512.hpp"
#include "support/arithmetic.hpp"

namespace twinlens::operators {
namespace {

// Mask of the lanes that lie within a row of `width`, from `at` on.
inline __mmask16 lanes_from(std::int64_t at, std::int64_t width) {
    const std::int64_t left = clamp<std::int64_t>(width - at, 0, 16);
    return static_cast<__mmask16>((1U << left) - 1U);
}

// Magnitudes as bits: those of NaN are the largest.
inline __m512i size_bits(__m512 x) {
    return _mm512_and_si512(_mm512_castps_si512(x), _mm512_set1_epi32(0x7fffffff));
}

inline float largest(__m512i bits) {
    const auto most = static_cast<std::int32_t>(_mm512_reduce_max_epu32(bits));
    float size;
    std::memcpy(&size, &most, sizeof size);
    return size < 1e-30F ? 1e-30F : size;
}

// round_half_even(x / r * levels), with the quotient of a true division.
struct Quantizer {
    __m512 r, inverse, levels;

    __m512i operator()(__m512 x) const {
        const __m512 near = _mm512_mul_ps(x, inverse);
        const __m512 exact = _mm512_fmadd_ps(_mm512_fnmadd_ps(near, r, x), inverse, near);
        return _mm512_cvtps_epi32(_mm512_mul_ps(exact, levels));
    }
};

enum class Zero { low, middle }; // zero point 0, for rows that are never negative, or 128

// Writes 64 codes every `step_bytes`, padded at the end, and returns the row's scale.
template <Zero zero>
float quantize_row(const float *x, std::int64_t width, std::uint8_t *codes,
                   std::int64_t step_bytes) {
    constexpr float levels = zero == Zero::low ? 255.0F : 127.0F;
    __m512i most[2] = {_mm512_setzero_si512(), _mm512_setzero_si512()};
    std::int64_t at = 0;
    for (; at + 32 <= width; at += 32) {
        most[0] = _mm512_max_epu32(most[0], size_bits(_mm512_loadu_ps(x + at)));
        most[1] = _mm512_max_epu32(most[1], size_bits(_mm512_loadu_ps(x + at + 16)));
    }
    for (; at < width; at += 16) {
        most[0] = _mm512_max_epu32(most[0],
                                   size_bits(_mm512_maskz_loadu_ps(lanes_from(at, width), x + at)));
    }
    const float r = largest(_mm512_max_epu32(most[0], most[1]));
    const Quantizer coder{broadcast(r), broadcast(1.0F / r), broadcast(levels)};
    // Packing works within 128-bit quarters; this restores the order.
    const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    for (at = 0; at < width; at += 64, codes += step_bytes) {
        __m512i part[4];
        if (at + 64 <= width) {
            for (int i = 0; i < 4; ++i) {
                part[i] = coder(_mm512_loadu_ps(x + at + 16 * i));
            }
        } else {
            for (int i = 0; i < 4; ++i) {
                const __mmask16 lanes = lanes_from(at + 16 * i, width);
                part[i] = coder(_mm512_maskz_loadu_ps(lanes, x + at + 16 * i));
            }
        }
        const __m512i low = _mm512_packs_epi32(part[0], part[1]);
        const __m512i high = _mm512_packs_epi32(part[2], part[3]);
        const __m512i bytes = zero == Zero::low
                                  ? _mm512_packus_epi16(low, high)
                                  : _mm512_xor_si512(_mm512_packs_epi16(low, high),
                                                     _mm512_set1_epi8(static_cast<char>(0x80)));
        _mm512_storeu_si512(codes, _mm512_permutexvar_epi32(order, bytes));
    }
    return r / levels;
}

// Four partial sums, so that additions do not wait for each other.
template <typename Term> float sum_of(const float *x, std::int64_t width, const Term &term) {
    __m512 sums[4] = {_mm512_setzero_ps(), _mm512_setzero_ps(), _mm512_setzero_ps(),
                      _mm512_setzero_ps()};
    std::int64_t at = 0;
    for (; at + 64 <= width; at += 64) {
        for (int i = 0; i < 4; ++i) {
            sums[i] = _mm512_add_ps(sums[i], term(_mm512_loadu_ps(x + at + 16 * i)));
        }
    }
    for (; at < width; at += 16) {
        const __mmask16 lanes = lanes_from(at, width);
        sums[0] =
            _mm512_mask_add_ps(sums[0], lanes, sums[0], term(_mm512_maskz_loadu_ps(lanes, x + at)));
    }
    return _mm512_reduce_add_ps(
        _mm512_add_ps(_mm512_add_ps(sums[0], sums[1]), _mm512_add_ps(sums[2], sums[3])));
}

inline void norm_row(const float *x, std::int64_t width, const Norm &norm, float *out) {
    const auto n = static_cast<float>(width);
    const __m512 mean = broadcast(sum_of(x, width, [](__m512 v) { return v; }) / n);
    const float squares = sum_of(x, width, [mean](__m512 v) {
        const __m512 off = _mm512_sub_ps(v, mean);
        return _mm512_mul_ps(off, off);
    });
    const __m512 inverse = broadcast(1.0F / sqrtf(squares / n + norm.epsilon));
    for (std::int64_t at = 0; at < width; at += 16) {
        const __mmask16 lanes = lanes_from(at, width);
        const __m512 off = _mm512_sub_ps(_mm512_maskz_loadu_ps(lanes, x + at), mean);
        _mm512_mask_storeu_ps(out + at, lanes,
                              _mm512_fmadd_ps(_mm512_mul_ps(off, inverse),
                                              _mm512_maskz_loadu_ps(lanes, norm.scale + at),
                                              _mm512_maskz_loadu_ps(lanes, norm.bias + at)));
    }
}

} // namespace
} // namespace twinlens::operators
