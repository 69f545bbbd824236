// activation.hpp - the activations, each as x / (1 + 2^-t).
#pragma once

#include "operators/compute.hpp"
#include "operators/definitions/exponential.hpp"
#include "support/inline.hpp"

namespace twinlens::operators {
namespace {

constexpr float log2_e = 1.44269504F;

// -t. Inlined, as two registers travel through memory to a function.
template <Activation activation> TWINLENS_INLINE Floats exponent_of(Floats x) {
    if constexpr (activation == Activation::quick_gelu) {
        return x * broadcast(-1.702F * log2_e);
    }
    const Floats square = x * x;
    if constexpr (activation == Activation::gelu_tanh) {
        constexpr float twice_root = -1.59576912F * log2_e; // -2 sqrt(2 / pi)
        return x * fma(square, broadcast(twice_root * 0.044715F), broadcast(twice_root));
    }
    // The logit of the normal distribution is x times a polynomial of x^2: fitted on |x| < 5.8 for
    // the least error of gelu: 4.8e-7 including rounding.
    const Floats u = at_most(square, broadcast(5.6F * 5.6F));
    Floats p = broadcast(-5.2097491e-9F);
    p = fma(p, u, broadcast(3.8503850e-7F));
    p = fma(p, u, broadcast(-1.1452334e-5F));
    p = fma(p, u, broadcast(1.5938877e-4F));
    p = fma(p, u, broadcast(9.5594936e-5F));
    p = fma(p, u, broadcast(-1.0483859e-1F));
    p = fma(p, u, broadcast(-2.3022072F));
    return x * p;
}

// NaN gives NaN.
template <Activation activation> TWINLENS_INLINE Floats activated(Floats x) {
    // Beyond 2^100 the quotient is 0 anyway, and below 2^-100 it is x.
    const Floats t =
        at_least(at_most(exponent_of<activation>(x), broadcast(100.0F)), broadcast(-100.0F));
    return x / (exp2(t) + broadcast(1.0F));
}

template <Activation activation> TWINLENS_INLINE Floats above_lowest(Floats x) {
    return activated<activation>(x) - broadcast(lowest);
}

} // namespace
} // namespace twinlens::operators
