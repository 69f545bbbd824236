// avx512bf16.cpp - the operators of bf16 towers by AVX512-BF16: 32 products at once.
//
// It serves processors with AMX too. TDPBF16PS, and BFDOT of ARM, would be faster there, but they
// round their sums in other ways, so that rows would depend on the processor.

#include <cstring>

#include <immintrin.h>

#include "operators/lanes/avx512.hpp"
// The definitions stand on the lanes.
#include "operators/bf16/extensions.hpp"
#include "operators/bf16/table.hpp"

namespace twinlens::operators::bf16 {
namespace {

inline __m512bh as_pairs(Floats x) { return (__m512bh)x.all; }

// Pairs of numbers, each in the place of a float32.
struct Pairs {
    using Linear = bf16::Linear;
    using Value = std::uint16_t;
    using Weight = std::uint16_t;
    static constexpr int inputs = 2, parts = 1;

    static void write(Value *to, Floats x) {
        const __m256bh rounded = _mm512_cvtneps_pbh(x.all);
        _mm256_storeu_si256(reinterpret_cast<__m256i *>(to), (__m256i)rounded);
    }
    static void copy(const float *from, std::int64_t n, Value *to) {
        each_vector(from, n, [to](std::int64_t at, Floats x) { write(to + at, x); });
    }
    static void copy_bytes(const std::uint8_t *from, std::int64_t n, Value *to) {
        alignas(64) float numbers[16];
        for (std::int64_t at = 0; at < n; at += 16) {
            for (std::int64_t i = 0; i < 16; ++i) {
                numbers[i] = at + i < n ? of_byte(from[at + i]) : 0.0F;
            }
            write(to + at, load(numbers));
        }
    }
    static void store(Value *to, Floats values, First lanes) { write(to, kept(values, lanes)); }

    template <int> static Floats weights(const Weight *from) {
        return {_mm512_castsi512_ps(_mm512_loadu_si512(from))};
    }
    template <int> static Floats values(const Value *from) {
        int pair;
        std::memcpy(&pair, from, sizeof pair);
        return {_mm512_castsi512_ps(_mm512_set1_epi32(pair))};
    }
    static Floats add(Floats sum, Floats values, Floats weights) {
        return {_mm512_dpbf16_ps(sum.all, as_pairs(weights), as_pairs(values))};
    }
};

} // namespace

constexpr Extension avx512bf16_extension{"avx512bf16", "amx amx_reproducible avx512vnni",
                                         table_of<float32::Block<Pairs, 14, 2>>()};

} // namespace twinlens::operators::bf16
