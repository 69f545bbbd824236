// layers.hpp - contract of the native operators in float32: of float32 towers, and of the ends of
// int8 towers.
//
//   y[n] = sum_k x[k] * w[n][k] + bias[n]
// A sum begins with 0 and takes its terms in the order of k, each by one fused multiply-add; bias,
// activation and residual follow. The sums of a norm and of a row's squares have the order of
// definitions/norm_row.hpp. So a row of the output is the same to the bit by every
// instruction set, any number of threads and in any batch. A row with a NaN gives a row of NaN.
// Scratch memory is as in compute.hpp. No rows, an empty batch, give none.
#pragma once

#include <cstdint>

#include "operators/compute.hpp"

namespace twinlens::operators::float32 {

// Weights w [out, in] are packed as [ceil(out / 32)][in][32 outputs], zero beyond the last output.
struct Linear {
    const float *weights;
    const float *bias;    // [out], or null
    std::int64_t in, out; // 1 <= in <= most_inputs, 1 <= out
};

// out [rows, linear.out] = linear(norm(x [rows, linear.in])) + residual; norm and residual or null.
// `out` may be `residual`, not `x`.
void product(const float *x, std::int64_t rows, const Norm *norm, const Linear &linear,
             const float *residual, float *out, const Pool &pool);

// out [rows, linear.out] = linear(x [rows, linear.in]).
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

// out [rows, width] = norm(x [rows, width]).
void norm(const float *x, std::int64_t rows, std::int64_t width, const Norm &norm, float *out,
          const Pool &pool);

// out [rows, width] = x [rows, width] / sqrt(sum of the row's squares), in float32. A row of zeros
// gives NaN, and so does one of numbers below 2e-23, whose squares are zero.
void unit_rows(const float *x, std::int64_t rows, std::int64_t width, float *out, const Pool &pool);

// These functions by one instruction set.
struct Table {
    decltype(&float32::product) product;
    decltype(&float32::bytes_product) bytes_product;
    decltype(&float32::mlp) mlp;
    decltype(&float32::attention) attention;
    decltype(&float32::self_attention) self_attention;
    decltype(&float32::norm) norm;
    decltype(&float32::unit_rows) unit_rows;
};

} // namespace twinlens::operators::float32
