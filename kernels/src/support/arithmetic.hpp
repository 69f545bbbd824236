// arithmetic.hpp - min, max and the like, for files compiled for one instruction set.
//
// In an unnamed namespace, unlike those of the standard library: the linker keeps one copy of an
// inline function, from whichever file, and a copy with AVX-512 in it would end every processor
// that has none. So such files use nothing of namespace std that is a function; where GCC inlines
// all of it (-O3) that would not show. tests/kernels/isa reads it off the symbols at -O0.
#pragma once

#include <cstdint>
#include <limits>

namespace twinlens {
namespace {

constexpr float float_infinity = std::numeric_limits<float>::infinity();
constexpr float smallest_normal_float = std::numeric_limits<float>::min(); // 2^-126
constexpr float largest_float = std::numeric_limits<float>::max();
constexpr double largest_double = std::numeric_limits<double>::max();

template <typename T> constexpr T min(T a, T b) { return b < a ? b : a; }

template <typename T> constexpr T max(T a, T b) { return a < b ? b : a; }

template <typename T> constexpr T clamp(T number, T low, T high) {
    return number < low ? low : high < number ? high : number;
}

// Of two positive numbers.
constexpr std::int64_t greatest_common_divisor(std::int64_t a, std::int64_t b) {
    while (b != 0) {
        const std::int64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

} // namespace
} // namespace twinlens
