// dispatch.hpp - the operator tables that run on this processor, best first; there may be none.
#pragma once

#include <vector>

#include "cpu/dispatch.hpp"
#include "operators/operator_table.hpp"

namespace twinlens::operators {

inline std::vector<cpu::InstructionSet<OperatorTable>> operator_sets() {
#define TWINLENS_SET(name, needs) {&name##_operators, needs},
    return {TWINLENS_OPERATOR_SETS(TWINLENS_SET)};
#undef TWINLENS_SET
}

inline const std::vector<const OperatorTable *> &operator_tables() {
    static const std::vector<const OperatorTable *> tables = cpu::runnable(operator_sets());
    return tables;
}

} // namespace twinlens::operators
