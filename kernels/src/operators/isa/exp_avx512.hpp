// exp_avx512.hpp - 2^x and e^x of 16 floats, by AVX-512.
#pragma once

#include <immintrin.h>

namespace twinlens::operators {
namespace {

inline __m512 broadcast(float value) { return _mm512_set1_ps(value); }

// 2^f for f in [0, 1] by a minimax polynomial, relative error 1.5e-7 including rounding.
inline __m512 exp2_of_fraction(__m512 f) {
    __m512 p = broadcast(1.8775767e-3F);
    p = _mm512_fmadd_ps(p, f, broadcast(8.9893397e-3F));
    p = _mm512_fmadd_ps(p, f, broadcast(5.5826318e-2F));
    p = _mm512_fmadd_ps(p, f, broadcast(2.4015361e-1F));
    p = _mm512_fmadd_ps(p, f, broadcast(6.9315308e-1F));
    return _mm512_fmadd_ps(p, f, broadcast(9.9999994e-1F));
}

// 2^t; the error of t comes on top. NaN gives NaN.
inline __m512 exp2(__m512 t) {
    const __m512 f = _mm512_reduce_ps(t, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC);
    return _mm512_scalef_ps(exp2_of_fraction(f), t);
}

// e^x for x <= 0, relative error 4e-7; e^-87 for x < -87, so no result is subnormal.
inline __m512 exp_below_zero(__m512 x) {
    x = _mm512_max_ps(broadcast(-87.0F), x);
    const __m512 whole = _mm512_roundscale_ps(_mm512_mul_ps(x, broadcast(1.44269502F)),
                                              _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC);
    // log2(e) in two floats, so that a large x loses no digits.
    __m512 f = _mm512_fmsub_ps(x, broadcast(1.44269502F), whole);
    f = _mm512_fmadd_ps(x, broadcast(1.9259630e-8F), f);
    return _mm512_scalef_ps(exp2_of_fraction(f), whole);
}

} // namespace
} // namespace twinlens::operators
