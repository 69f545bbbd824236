// numbers.hpp - bfloat16 as the products take it: widened to float32, or as pairs.
//
// As float32/numbers.hpp. Include the lanes of an instruction set first.
#pragma once

#include "operators/bf16/layers.hpp"
#include "operators/work_split.hpp"
#include "support/arithmetic.hpp"

namespace twinlens::operators::bf16 {
namespace {

// Writes 16 values at a time from n numbers, zero beyond them.
template <typename Write> void each_vector(const float *from, std::int64_t n, const Write &write) {
    for (std::int64_t at = 0; at < n; at += 16) {
        write(at, load(from + at, lanes_from(at, n)));
    }
}

// Of a byte as the products take it: exact in bfloat16.
inline float of_byte(std::uint8_t byte) { return static_cast<float>(byte) - 128.0F; }

// For processors without products of bfloat16: rows are float32 numbers that have been rounded, and
// weights are widened at each use.
struct Widened {
    using Linear = bf16::Linear;
    using Value = float;
    using Weight = std::uint16_t;
    static constexpr int inputs = 2, parts = 2;

    static void copy(const float *from, std::int64_t n, Value *to) {
        each_vector(from, n, [to](std::int64_t at, Floats x) { store(to + at, to_bf16(x)); });
    }
    static void copy_bytes(const std::uint8_t *from, std::int64_t n, Value *to) {
        for (std::int64_t i = 0; i < n; ++i) {
            to[i] = of_byte(from[i]);
        }
        if (n % inputs != 0) {
            to[n] = 0;
        }
    }
    static void store(Value *to, Floats values, First lanes) {
        operators::store(to, kept(to_bf16(values), lanes));
    }
    static void store(Value *to, Floats values) { operators::store(to, values); }

    template <int part> static Floats weights(const Weight *from) {
        return part == 0 ? bf16_odd(from) : bf16_even(from);
    }
    template <int part> static Floats values(const Value *from) {
        return broadcast(from[1 - part]);
    }
    static Floats add(Floats sum, Floats values, Floats weights) {
        return fma(values, weights, sum);
    }
};

} // namespace
} // namespace twinlens::operators::bf16
