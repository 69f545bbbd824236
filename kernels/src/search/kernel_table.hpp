// kernel_table.hpp - one instruction path: the loops that are written, or compiled, once per
// instruction set. A table of functions, so that what drives them is compiled once, for any
// processor.
//
// Layout: 16 queries, the lanes, make a group. A plane of a group is their whole numbers packed as
// [padded / 4][16 lanes][4] int8: four neighbouring numbers of a lane side by side, as the dot
// product instructions want them. Rows of codes are [padded] uint8, padded a multiple of 64.
#pragma once

#include <cstdint>

#include "cpu/instruction_sets.hpp"
#include "resample/pass.hpp"

namespace twinlens {

constexpr std::int64_t lanes = 16;
// Rows that one call takes; a last block is filled up with rows of zeros.
constexpr std::int64_t block_rows = 64;
// 255 * 127 * 2^16 < 2^31: no sum of products of a code and a number leaves int32.
constexpr std::int64_t max_coded_width = std::int64_t{1} << 16;

// What screens 16 queries, in the units of query_codes.hpp. Lanes beyond the last query are zero,
// but for the floor.
struct alignas(64) Lanes {
    std::int32_t offset[2][lanes]; // by plane: what a dot product is too large by
    float step[lanes];             // the value of one whole number
    float reach[lanes];            // error for each unit of a row's length
    float length[lanes];           // error for each unit of what a row's codes leave
    float floor[lanes];            // below it a row is out
};

// A pair of a row and a lane that reached the floor.
struct CandidatePair {
    std::int32_t row; // in the block
    std::int32_t lane;
    float estimate;
    float margin; // the pair's score lies within estimate -+ margin, unless that is not finite
};

struct RowCodes {
    const std::uint8_t *codes; // [block_rows, padded]
    const float *terms;        // [block_rows, n_terms], codes.py says which
    std::int64_t n_terms;
    std::int64_t padded;
};

// Memory that will be wanted soon: so many cache lines are asked for whenever a loop over rows has
// gone through another `prefetch_step` codes.
constexpr std::int64_t prefetch_step = 2048;
struct Prefetch {
    const std::uint8_t *next;
    std::int64_t lines_a_step;
};

struct KernelTable {
    const char *name;
    std::int64_t levels; // whole numbers of a plane lie in -levels..levels
    bool centred;        // dots are of code - 128, so that no offset is left
    // Up to so many queries take two planes each: while memory is the bottleneck they cost nothing.
    std::int64_t two_plane_queries;
    // Up to so many queries are better served by `few`.
    std::int64_t few_queries;

    // Around the calls of one thread; null where nothing is to be done.
    void (*begin)();
    void (*end)();

    // dots [2 planes][block_rows][16] of a block with two packed planes.
    void (*dots)(const RowCodes &block, const std::int8_t *planes, Prefetch prefetch,
                 std::int32_t *dots);
    // The same for n queries, whose numbers lie as [n][2 planes][padded]: dots [n][2][block_rows].
    void (*dots_few)(const RowCodes &block, const std::int8_t *numbers, std::int64_t n,
                     Prefetch prefetch, std::int32_t *dots);
    // Writes the pairs of a block that reach the floors, and gives their count. dots [2][rows][16]
    // are two planes of which the second counts `1 / base`, or with base 0 [rows][16] of one.
    std::int64_t (*prune)(const std::int32_t *dots, float base, const RowCodes &block,
                          const Lanes &lanes, CandidatePair *pairs);
    // The same for a lane of its own, dots [2 planes][block_rows].
    std::int64_t (*prune_few)(const std::int32_t *dots, float base, const RowCodes &block,
                              const Lanes &lanes, std::int64_t lane, CandidatePair *pairs);
    double (*exact_score)(const float *query, const float *row, std::int64_t width, double *work);
    // See code_score.hpp and encode_row.hpp.
    double (*code_score)(const double *query, const std::uint8_t *codes, std::int64_t width);
    bool (*encode_row)(const float *row, const float *centre, std::int64_t width, double *work,
                       std::uint8_t *codes, std::uint8_t *residual, float *terms);
    // See resample/pass.hpp.
    Across *across;
    Down *down;
};

#define TWINLENS_DECLARE(name, needs) extern const KernelTable name##_kernels;
TWINLENS_SEARCH_SETS(TWINLENS_DECLARE)
#undef TWINLENS_DECLARE

} // namespace twinlens
