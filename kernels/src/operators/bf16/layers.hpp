// layers.hpp - contract of the native operators of bf16 towers.
//
//   y[n] = sum_k r(x[k]) * w[n][k] + bias[n]
// r rounds to bfloat16, half to even, and numbers below 2^-126 to zero; the weights are bfloat16. A
// sum is in float32 and begins with 0. It takes its terms in pairs of neighbours, of which the odd
// one, k = 1, 3, .., comes first, each by one fused multiply-add: so do the instructions of
// AVX512-BF16. A row with a width that is odd ends with a zero. Bias, activation and residual
// follow in float32, as do norms and attention.
//
// So a row of the output is the same to the bit by every instruction set, any number of threads and
// in any batch, but for sums below 2^-102: AVX512-BF16 takes what is below 2^-126 on the way for
// zero. A row with a NaN gives a row of NaN. Scratch memory is as in compute.hpp. No rows, an empty
// batch, give none.
#pragma once

#include <cstdint>

#include "operators/compute.hpp"

namespace twinlens::operators::bf16 {

// Weights w [out, in] are packed as [ceil(out / 32)][ceil(in / 2)][32 outputs][2 inputs], zero
// beyond the ends.
struct Linear {
    const std::uint16_t *weights; // the upper halves of float32
    const float *bias;            // [out], or null
    std::int64_t in, out;         // 1 <= in <= most_inputs, 1 <= out
};

// out [rows, linear.out] = linear(norm(x [rows, linear.in])) + residual; norm and residual or null.
// `out` may be `residual`, not `x`.
void product(const float *x, std::int64_t rows, const Norm *norm, const Linear &linear,
             const float *residual, float *out, const Pool &pool);

// out [rows, linear.out] = linear(x [rows, linear.in] - 128).
void bytes_product(const std::uint8_t *x, std::int64_t rows, const Linear &linear, float *out,
                   const Pool &pool);

// out [rows, fc2.out] = x + fc2(activation(fc1(norm(x)))); norm or null; out is not x.
void mlp(const float *x, std::int64_t rows, const Norm *norm, const Linear &fc1,
         Activation activation, const Linear &fc2, float *out, const Pool &pool);

// As that of compute.hpp, in float32 on every set.
void attention(const Attention &attention, float *out, const Pool &pool);

// As that of compute.hpp.
void self_attention(const float *x, const Tokens &tokens, const Norm *norm, const Linear &qkv,
                    const Linear &out_proj, float *out, const Pool &pool);

// The instruction set that serves: one with products of bfloat16, or that of operators::path_name,
// which widens the numbers to float32. Null where there is none.
const char *path_name(bool reproducible);

// These functions by one instruction set; attention is that of float32/layers.hpp.
struct Table {
    decltype(&bf16::product) product;
    decltype(&bf16::bytes_product) bytes_product;
    decltype(&bf16::mlp) mlp;
    decltype(&bf16::self_attention) self_attention;
};

// An instruction set with products of bfloat16, and the sets of the operators that it goes with.
struct Extension {
    const char *name;
    const char *bases; // names, separated by spaces
    Table table;
};

} // namespace twinlens::operators::bf16
