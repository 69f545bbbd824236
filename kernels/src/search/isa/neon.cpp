// neon.cpp - NEON alone, as on a Cortex-A72: products of bytes in 16 bits, added by pairs.

#include "resample/scalar.hpp"
#include "search/exact_score.hpp"
#include "search/isa/arm/dot_neon.hpp"
#include "search/isa/arm/prune_neon.hpp"
#include "search/isa/code_score.hpp"
#include "search/isa/encode_row.hpp"
#include "search/kernel_table.hpp"

namespace twinlens {
namespace {

constexpr KernelTable table() {
    KernelTable table{};
    table.name = "neon";
    table.levels = 127;
    table.centred = true;
    table.few_queries = 4;
    table.dots = dots_neon<2>;
    table.dots_one = dots_neon<1>;
    table.dots_few = dots_few_neon;
    table.prune = prune_neon;
    table.prune_few = prune_lane_neon;
    table.exact_score = exact_score<float>;
    table.exact_scores = exact_scores<exact_score<double>>;
    table.code_score = code_score;
    table.encode_row = encode_row;
    table.across = across_scalar;
    table.down = down_scalar;
    return table;
}

} // namespace

constexpr KernelTable neon_kernels = table();

} // namespace twinlens
