// extensions.hpp - the instruction sets with products of bfloat16, best first.
#pragma once

#include <vector>

#include "cpu/dispatch.hpp"
#include "cpu/instruction_sets.hpp"
#include "operators/bf16/layers.hpp"

namespace twinlens::operators::bf16 {

#define TWINLENS_DECLARE(name, needs) extern const Extension name##_extension;
TWINLENS_BF16_SETS(TWINLENS_DECLARE)
#undef TWINLENS_DECLARE

inline std::vector<cpu::InstructionSet<Extension>> extensions() {
#define TWINLENS_SET(name, needs) {&name##_extension, needs},
    return {TWINLENS_BF16_SETS(TWINLENS_SET)};
#undef TWINLENS_SET
}

} // namespace twinlens::operators::bf16
