// activation_avx512.hpp - the activations by AVX-512, each as x / (1 + 2^-t).
#pragma once

#include "operators/compute.hpp"
#include "operators/isa/exp_avx512.hpp"

namespace twinlens::operators {
namespace {

constexpr float log2_e = 1.44269504F;

inline __m512 exponent_of(Activation activation, __m512 x) {
    if (activation == Activation::quick_gelu) {
        return _mm512_mul_ps(x, broadcast(1.702F * log2_e));
    }
    const __m512 square = _mm512_mul_ps(x, x);
    if (activation == Activation::gelu_tanh) {
        constexpr float twice_root = 1.59576912F * log2_e; // 2 sqrt(2 / pi)
        return _mm512_mul_ps(
            x, _mm512_fmadd_ps(square, broadcast(twice_root * 0.044715F), broadcast(twice_root)));
    }
    // The logit of the normal distribution is x times a polynomial of x^2: fitted on |x| < 5.8 for
    // the least error of gelu: 4.8e-7 including rounding.
    const __m512 u = _mm512_min_ps(broadcast(5.6F * 5.6F), square);
    __m512 p = broadcast(5.2097491e-9F);
    p = _mm512_fmadd_ps(p, u, broadcast(-3.8503850e-7F));
    p = _mm512_fmadd_ps(p, u, broadcast(1.1452334e-5F));
    p = _mm512_fmadd_ps(p, u, broadcast(-1.5938877e-4F));
    p = _mm512_fmadd_ps(p, u, broadcast(-9.5594936e-5F));
    p = _mm512_fmadd_ps(p, u, broadcast(1.0483859e-1F));
    p = _mm512_fmadd_ps(p, u, broadcast(2.3022072F));
    return _mm512_mul_ps(x, p);
}

// activation(x) - lowest. NaN gives NaN.
template <Activation activation> __m512 above_lowest(__m512 x) {
    // Beyond 2^100 the quotient is 0 anyway; below it nothing overflows.
    const __m512 t = _mm512_min_ps(broadcast(100.0F),
                                   _mm512_sub_ps(_mm512_setzero_ps(), exponent_of(activation, x)));
    const __m512 below = _mm512_add_ps(exp2(t), broadcast(1.0F));
    // An estimate of 14 bits, and a Newton step for the other digits.
    __m512 inverse = _mm512_rcp14_ps(below);
    inverse = _mm512_mul_ps(inverse, _mm512_fnmadd_ps(below, inverse, broadcast(2.0F)));
    return _mm512_fmsub_ps(x, inverse, broadcast(lowest));
}

} // namespace
} // namespace twinlens::operators
