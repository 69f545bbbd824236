// neondot.cpp - the operators by NEON with dot products: 16 products of signed bytes at once.

#include "operators/lanes/neon.hpp"
// The definitions stand on the lanes.
#include "operators/bf16/table.hpp"
#include "operators/definitions/linear.hpp"
#include "operators/definitions/self_attention.hpp"
#include "operators/float32/table.hpp"
#include "operators/isa/dot_neon.hpp"
#include "operators/operator_table.hpp"

namespace twinlens::operators {
namespace {

constexpr OperatorTable table() {
    OperatorTable table{};
    table.name = "neondot";
    table.reproducible = true;
    table.product = product<Neon>;
    table.bytes_product = bytes_product<Neon>;
    table.mlp = mlp<Neon>;
    table.attention = attention<Neon>;
    table.self_attention = self_attention<Neon>;
    table.floats = float32::table_of<float32::Block<float32::Numbers, 6, 1>>();
    table.bf16_layers = bf16::table_of<float32::Block<bf16::Widened, 6, 1>>();
    return table;
}

} // namespace

constexpr OperatorTable neondot_operators = table();

} // namespace twinlens::operators
