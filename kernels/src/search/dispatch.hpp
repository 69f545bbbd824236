// dispatch.hpp - the kernel tables that run on this processor, best first.
#pragma once

#include <string_view>
#include <vector>

#include "cpu/dispatch.hpp"
#include "search/kernel_table.hpp"

namespace twinlens {

inline std::vector<cpu::InstructionSet<KernelTable>> search_sets() {
#define TWINLENS_SET(name, needs) {&name##_kernels, needs},
    return {TWINLENS_SEARCH_SETS(TWINLENS_SET)};
#undef TWINLENS_SET
}

inline const std::vector<const KernelTable *> &kernel_tables() {
    static const std::vector<const KernelTable *> tables = cpu::runnable(search_sets());
    return tables;
}

// Null if no such table runs here; an empty name means the best.
inline const KernelTable *kernel_table_named(std::string_view name) {
    return cpu::named(kernel_tables(), name);
}

} // namespace twinlens
