// features.hpp - features of this processor that its system lets this process use.
#pragma once

#include <string_view>
#include <vector>

namespace twinlens::cpu {

// A feature by which an instruction set is chosen.
struct Feature {
    std::string_view name;
    bool available;
};

// All features known for this family of processors; none for families without a list.
//
// x86: avx2 (with FMA), avxvnni (with AVX2), avx512 (F, BW, DQ, VL), avx512vnni and avx512bf16
// (with those), amx_int8 and amx_bf16 (with AMX-TILE and, for bf16, AVX512-BF16). ARM: dotprod,
// i8mm. On Linux the first call asks for the AMX registers where there are any; a feature of AMX is
// only available if they were granted.
const std::vector<Feature> &features();

// The first of some features, separated by spaces, that is not available; empty if all are.
std::string_view first_missing(std::string_view needs);

} // namespace twinlens::cpu
