// operator_table.hpp - the functions of compute.hpp and of the layers.hpp of float32 and bf16,
// compiled for one instruction set.
#pragma once

#include "cpu/instruction_sets.hpp"
#include "operators/bf16/layers.hpp"
#include "operators/compute.hpp"
#include "operators/float32/layers.hpp"

namespace twinlens::operators {

struct OperatorTable {
    const char *name;
    bool reproducible; // gives the same bits as every other such table
    const OperatorTable *reproducible_variant = nullptr; // of a table that is not
    void (*product)(const float *x, std::int64_t rows, const Norm *norm, const Linear &linear,
                    const float *residual, float *out, const Pool &pool);
    void (*bytes_product)(const std::uint8_t *x, std::int64_t rows, const Linear &linear,
                          float *out, const Pool &pool);
    void (*mlp)(const float *x, std::int64_t rows, const Norm *norm, const Linear &fc1,
                Activation activation, const Linear &fc2, float *out, const Pool &pool);
    void (*attention)(const Attention &attention, float *out, const Pool &pool);
    void (*self_attention)(const float *x, const Tokens &tokens, const Norm *norm,
                           const Linear &qkv, const Linear &out_proj, float *out, const Pool &pool);
    float32::Table floats;   // of float32 towers
    bf16::Table bf16_layers; // of bf16 towers, with numbers widened to float32
};

#define TWINLENS_DECLARE(name, needs) extern const OperatorTable name##_operators;
TWINLENS_OPERATOR_SETS(TWINLENS_DECLARE)
#undef TWINLENS_DECLARE

} // namespace twinlens::operators
