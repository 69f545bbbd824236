// dispatch.hpp - the choice among tables of functions, each compiled for one instruction set.
#pragma once

#include <string_view>
#include <vector>

#include "cpu/features.hpp"

namespace twinlens::cpu {

// An instruction set that was compiled in.
template <typename Table> struct InstructionSet {
    const Table *table;
    std::string_view needs; // features, separated by spaces
};

// The tables that run on this processor, in the order of the sets.
template <typename Table>
std::vector<const Table *> runnable(const std::vector<InstructionSet<Table>> &sets) {
    std::vector<const Table *> tables;
    for (const InstructionSet<Table> &set : sets) {
        if (first_missing(set.needs).empty()) {
            tables.push_back(set.table);
        }
    }
    return tables;
}

// The first table of that name, or with an empty name the first of all; null if there is none.
template <typename Table>
const Table *named(const std::vector<const Table *> &tables, std::string_view name) {
    for (const Table *table : tables) {
        if (name.empty() || name == table->name) {
            return table;
        }
    }
    return nullptr;
}

} // namespace twinlens::cpu
