// table.hpp - the functions of layers.hpp, for the Block of an instruction set.
#pragma once

#include "operators/float32/linear.hpp"
#include "operators/float32/numbers.hpp"
#include "operators/float32/rows.hpp"
#include "operators/float32/self_attention.hpp"

namespace twinlens::operators {
namespace {

constexpr auto *plain_attention = attention<float32::Plain>;

} // namespace

namespace float32 {
namespace {

// The layers of a Table, this one or that of other numbers.
template <typename Registers, typename OwnTable> constexpr void add_layers(OwnTable &table) {
    table.product = product<Registers>;
    table.bytes_product = bytes_product<Registers>;
    table.mlp = mlp<Registers>;
    table.self_attention = self_attention<Registers>;
}

template <typename Registers> constexpr Table table_of() {
    float32::Table table{};
    add_layers<Registers>(table);
    table.attention = plain_attention;
    table.norm = norm_each;
    table.unit_rows = unit_each;
    return table;
}

} // namespace
} // namespace float32
} // namespace twinlens::operators
