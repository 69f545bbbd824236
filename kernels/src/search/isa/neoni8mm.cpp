// neoni8mm.cpp - ARM's matrix products of bytes (usmmla): of unsigned codes and signed components.

#include "resample/neon.hpp"
#include "search/exact_score.hpp"
#include "search/isa/arm/dot_i8mm.hpp"
#include "search/isa/arm/prune_neon.hpp"
#include "search/isa/code_score.hpp"
#include "search/isa/encode_row.hpp"
#include "search/kernel_table.hpp"

namespace twinlens {
namespace {

constexpr KernelTable table() {
    KernelTable table{};
    table.name = "neoni8mm";
    table.levels = 127;
    table.few_queries = 4;
    table.dots = dots_i8mm<2>;
    table.dots_one = dots_i8mm<1>;
    table.dots_few = dots_few_i8mm;
    table.prune = prune_neon;
    table.prune_few = prune_lane_neon;
    table.exact_score = exact_score<float>;
    table.exact_scores = exact_scores<exact_score<double>>;
    table.code_score = code_score;
    table.encode_row = encode_row;
    table.across = across_neon;
    table.down = down_neon;
    return table;
}

} // namespace

constexpr KernelTable neoni8mm_kernels = table();

} // namespace twinlens
