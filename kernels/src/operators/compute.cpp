// compute.cpp - the operators by the table that serves, chosen once in a process.

#include "operators/compute.hpp"

#include <cstdlib>

#include "operators/dispatch.hpp"

namespace twinlens::operators {
namespace {

// The table that serves in this process, or null; chosen at the first call.
const OperatorTable *chosen() {
    static const OperatorTable *const table = [] {
        const char *wanted = std::getenv("TWINLENS_OPERATORS");
        return cpu::named(operator_tables(), wanted == nullptr ? "" : wanted);
    }();
    return table;
}

} // namespace

const char *path_name() { return chosen() != nullptr ? chosen()->name : nullptr; }

bool supported() { return chosen() != nullptr; }

void sums_of(const std::int8_t *codes, std::int64_t in, std::int64_t out, std::int32_t *sums) {
    const std::int64_t steps = (in + 63) / 64;
    for (std::int64_t n = 0; n < out; ++n) {
        const std::int8_t *column = codes + n / 16 * steps * 1024 + n % 16 * 4;
        std::int32_t sum = 0;
        for (std::int64_t quad = 0; quad < steps * 16; ++quad, column += 64) {
            sum += column[0] + column[1] + column[2] + column[3];
        }
        sums[n] = sum;
    }
}

void product(const float *x, std::int64_t rows, const Norm *norm, const Linear &linear,
             const float *residual, float *out, const Pool &pool) {
    chosen()->product(x, rows, norm, linear, residual, out, pool);
}

void bytes_product(const std::uint8_t *x, std::int64_t rows, const Linear &linear, float *out,
                   const Pool &pool) {
    chosen()->bytes_product(x, rows, linear, out, pool);
}

void mlp(const float *x, std::int64_t rows, const Norm *norm, const Linear &fc1,
         Activation activation, const Linear &fc2, float *out, const Pool &pool) {
    chosen()->mlp(x, rows, norm, fc1, activation, fc2, out, pool);
}

void attention(const Attention &attention, float *out, const Pool &pool) {
    chosen()->attention(attention, out, pool);
}

void self_attention(const float *x, const Tokens &tokens, const Norm *norm, const Linear &qkv,
                    const Linear &out_proj, float *out, const Pool &pool) {
    chosen()->self_attention(x, tokens, norm, qkv, out_proj, out, pool);
}

namespace float32 {

void product(const float *x, std::int64_t rows, const Norm *norm, const Linear &linear,
             const float *residual, float *out, const Pool &pool) {
    chosen()->floats.product(x, rows, norm, linear, residual, out, pool);
}

void bytes_product(const std::uint8_t *x, std::int64_t rows, const Linear &linear, float *out,
                   const Pool &pool) {
    chosen()->floats.bytes_product(x, rows, linear, out, pool);
}

void mlp(const float *x, std::int64_t rows, const Norm *norm, const Linear &fc1,
         Activation activation, const Linear &fc2, float *out, const Pool &pool) {
    chosen()->floats.mlp(x, rows, norm, fc1, activation, fc2, out, pool);
}

void attention(const Attention &attention, float *out, const Pool &pool) {
    chosen()->floats.attention(attention, out, pool);
}

void self_attention(const float *x, const Tokens &tokens, const Norm *norm, const Linear &qkv,
                    const Linear &out_proj, float *out, const Pool &pool) {
    chosen()->floats.self_attention(x, tokens, norm, qkv, out_proj, out, pool);
}

} // namespace float32

} // namespace twinlens::operators
