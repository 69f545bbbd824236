// compute.hpp - contract of the native operators of int8 towers.
//
// Tokens are contiguous rows of float32. A linear layer quantizes each row to bytes with its own
// scale, multiplies integers, which is exact, and scales the sums:
//   r = max(max|x|, 1e-30)    code = round_half_even(x / r * 127) + 128
//   y[n] = r / 127 * scales[n] * sum_k (code[k] - 128) * w[n][k] + bias[n]
// After an activation, which is never below `lowest`, the zero point is 0:
//   r = max(max(a - lowest), 1e-30)    code = round_half_even((a - lowest) / r * 255)
//   y[n] = r / 255 * scales[n] * sum_k code[k] * w[n][k] + bias[n]
// with a bias from which the share of `lowest` is already subtracted.
//
// A row of the output depends on its own inputs alone, to the bit: not on other rows of the batch,
// the threads or the split; nor on the processor, as lanes/README.md defines all arithmetic, with
// one exception: AMX. Its attention multiplies bfloat16, with errors of 2^-9 a term; all else by
// AMX is the same, and so is its reproducible variant, whose attention is the common one. A row
// with a NaN gives a row of NaN. Scratch memory is kept by each thread for its next call; without
// memory for it a function throws std::bad_alloc. No rows, an empty batch, give none.
#pragma once

#include <cstdint>

namespace twinlens::operators {

// Inputs of a linear layer at most: sums of 255 * 128 * 65536 still fit into an int32.
constexpr std::int64_t most_inputs = 65536;

// Weights w [out, in] are packed as [ceil(out / 16)][ceil(in / 64)][16 quads][16 outputs][4
// inputs], zero beyond the ends: 1 KiB is 16 outputs times 64 inputs, and a quad is 4 neighbouring
// inputs.
struct Linear {
    const std::int8_t *codes;
    const float *scales;      // [out]
    const float *bias;        // [out], or null
    const std::int32_t *sums; // [out], of `sums_of`
    std::int64_t in, out;     // 1 <= in <= most_inputs, 1 <= out
};

// LayerNorm over the width of a row, with the population variance.
struct Norm {
    const float *scale, *bias; // [width]
    float epsilon;
};

enum class Activation {
    quick_gelu, // x sigmoid(1.702 x)
    gelu,       // x (1 + erf(x / sqrt 2)) / 2
    gelu_tanh,  // x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2
};

constexpr float lowest = -0.17F;

// Thread pool of the caller: `run` calls part(work, index) for index 0 .. parts - 1, in any order,
// on any thread, and returns when all are done; then it throws the first exception of a part.
struct Pool {
    void *state;
    int threads;
    void (*run)(void *state, std::int64_t parts, void (*part)(void *work, std::int64_t index),
                void *work);
    bool reproducible = false; // with the bits that every instruction set gives
};

// query [batch, queries], key and value [batch, keys] tokens; the heads of a token are contiguous,
// tokens are a stride apart. Scores are plain dot products: the queries are already scaled.
struct Attention {
    const float *query, *key, *value;
    std::int64_t query_stride, key_stride, value_stride; // floats from one token to the next
    std::int64_t batch, heads, head_width;
    std::int64_t queries, keys;
    bool causal; // query i attends to keys 0 .. i
    // [batch] keys of each item, from the first on: a negative count is none, and one beyond `keys`
    // is all, as null is for each item.
    const std::int64_t *counts;
};

// The instruction set that serves, "avx2" for one: the one that the environment's
// TWINLENS_OPERATORS names, else the best that runs here. Null where none runs, or the one named
// does not. Reproducible: the same, or the best that gives the bits of all others in place of one
// that does not.
const char *path_name(bool reproducible);

// Instruction sets, best first, separated by spaces: those compiled, and those that run here.
const char *compiled_sets();
const char *runnable_sets();

// True if the functions below may be called.
bool supported(bool reproducible);

// Writes the sum [out] of each output's packed weights.
void sums_of(const std::int8_t *codes, std::int64_t in, std::int64_t out, std::int32_t *sums);

// out [rows, linear.out] = linear(norm(x [rows, linear.in])) + residual; norm and residual or null.
// `out` may be `residual`, not `x`.
void product(const float *x, std::int64_t rows, const Norm *norm, const Linear &linear,
             const float *residual, float *out, const Pool &pool);

// out [rows, linear.out] = scales * sum of (x [rows, linear.in] - 128) * w + bias.
void bytes_product(const std::uint8_t *x, std::int64_t rows, const Linear &linear, float *out,
                   const Pool &pool);

// out [rows, fc2.out] = x + fc2(activation(fc1(norm(x)))); norm or null; out is not x.
void mlp(const float *x, std::int64_t rows, const Norm *norm, const Linear &fc1,
         Activation activation, const Linear &fc2, float *out, const Pool &pool);

// out [batch, queries, heads * head_width] = softmax(q k^T) v, head by head. An item with no keys
// gives zeros.
void attention(const Attention &attention, float *out, const Pool &pool);

// Shape of self_attention: x is [batch, tokens, width], width a multiple of 32.
struct Tokens {
    std::int64_t batch, tokens, heads; // heads divide the width
    bool causal;                       // as in Attention
    const std::int64_t *counts;        // as in Attention
};

// out = x + out_proj(attention(qkv(norm(x)))), where qkv gives queries, keys and values side by
// side. The same to the bit as product, attention and product with the residual, but the
// intermediates stay in cache. norm or null; out is not x.
void self_attention(const float *x, const Tokens &tokens, const Norm *norm, const Linear &qkv,
                    const Linear &out_proj, float *out, const Pool &pool);

} // namespace twinlens::operators
