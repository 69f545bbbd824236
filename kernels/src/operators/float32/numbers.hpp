// numbers.hpp - float32 as the products take it: rows and weights alike.
//
// Of such a struct the products are made: the values of a panel, the weights, and the sums. A step
// takes `inputs` inputs; its sums take `parts` terms one after the other.
#pragma once

#include <cstring>

#include "operators/float32/layers.hpp"

namespace twinlens::operators::float32 {
namespace {

struct Numbers {
    using Linear = float32::Linear;
    using Value = float;
    using Weight = float;
    static constexpr int inputs = 1, parts = 1;

    // Values of a panel, up to a whole step.
    static void copy(const float *from, std::int64_t n, Value *to) {
        std::memcpy(to, from, static_cast<std::size_t>(n) * sizeof(float));
    }
    static void copy_bytes(const std::uint8_t *from, std::int64_t n, Value *to) {
        for (std::int64_t i = 0; i < n; ++i) {
            to[i] = static_cast<float>(from[i]);
        }
    }
    static void store(Value *to, Floats values, First lanes) {
        operators::store(to, values, lanes);
    }

    // The weights of 16 outputs, a step of a row, and what a sum is with both.
    template <int> static Floats weights(const Weight *from) { return load(from); }
    template <int> static Floats values(const Value *from) { return broadcast(*from); }
    static Floats add(Floats sum, Floats values, Floats weights) {
        return fma(values, weights, sum);
    }
};

} // namespace
} // namespace twinlens::operators::float32
