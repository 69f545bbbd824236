// exponential.hpp - 2^x and e^x of 16 floats.
//
// Include the lanes of an instruction set first, as for all files of this folder.
#pragma once

namespace twinlens::operators {
namespace {

// 2^f for f in [0, 1] by a minimax polynomial, relative error 1.5e-7 including rounding.
inline Floats exp2_of_fraction(Floats f) {
    Floats p = broadcast(1.8775767e-3F);
    p = fma(p, f, broadcast(8.9893397e-3F));
    p = fma(p, f, broadcast(5.5826318e-2F));
    p = fma(p, f, broadcast(2.4015361e-1F));
    p = fma(p, f, broadcast(6.9315308e-1F));
    return fma(p, f, broadcast(9.9999994e-1F));
}

// 2^t for t in [-125, 126]; the error of t comes on top. NaN gives NaN.
inline Floats exp2(Floats t) { return times_power(exp2_of_fraction(fraction(t)), t); }

// e^x for x <= 0, relative error 4e-7; e^-87 for x < -87, so no result is subnormal.
inline Floats exp_below_zero(Floats x) {
    x = at_least(x, broadcast(-87.0F));
    const Floats whole = floor(x * broadcast(1.44269502F));
    // log2(e) in two floats, so that a large x loses no digits.
    Floats f = fms(x, broadcast(1.44269502F), whole);
    f = fma(x, broadcast(1.9259630e-8F), f);
    return times_power(exp2_of_fraction(f), whole);
}

} // namespace
} // namespace twinlens::operators
