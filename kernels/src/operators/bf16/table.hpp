// table.hpp - the functions of layers.hpp, for the Block of an instruction set.
#pragma once

#include "operators/bf16/numbers.hpp"
#include "operators/float32/table.hpp"

namespace twinlens::operators::bf16 {
namespace {

template <typename Registers> constexpr Table table_of() {
    bf16::Table table{};
    float32::add_layers<Registers>(table);
    return table;
}

} // namespace
} // namespace twinlens::operators::bf16
