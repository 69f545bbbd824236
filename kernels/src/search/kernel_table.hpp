// kernel_table.hpp - the kernels compiled for one instruction set, as a table of functions: all
// that calls them is compiled once, for any processor.
//
// Layout: 16 queries, the lanes, make a group. A plane holds the int8 components of a group, packed
// as [padded / 4][16 lanes][4]: four neighbouring components of a lane side by side, as the dot
// product instructions (vpdpbusd, sdot) read them. Rows of codes are [padded] uint8, padded a
// multiple of 64.
#pragma once

#include <cstdint>

#include "cpu/instruction_sets.hpp"
#include "resample/pass.hpp"

namespace twinlens {

constexpr std::int64_t lanes = 16;
// Rows of one call. A short last block is padded, and pairs of its padding are dropped.
constexpr std::int64_t block_rows = 64;
// 255 * 127 * 2^16 < 2^31: no sum of products of codes and components overflows int32.
constexpr std::int64_t max_coded_width = std::int64_t{1} << 16;

// Constants of 16 queries that bound their scores, in the units of query_codes.hpp. Lanes beyond
// the last query are zero, except for the floor.
struct alignas(64) Lanes {
    std::int32_t offset[2][lanes]; // by plane: 128 * the sum of the components
    float step[lanes];             // the value of one unit of a component
    float reach[lanes];            // error per unit of the length of scale * codes
    float length[lanes];           // error per unit of the length of what a row's codes leave
    float floor[lanes];            // a row whose upper bound is below it is pruned
};

// A row and a lane whose score may reach the floor.
struct CandidatePair {
    std::int32_t row; // in the block
    std::int32_t lane;
    float estimate;
    float margin; // the pair's score lies within estimate -+ margin, unless that is not finite
};

struct RowCodes {
    const std::uint8_t *codes; // [block_rows, padded]
    const float *terms;        // [block_rows, n_terms], in the order of codes.py
    std::int64_t n_terms;
    std::int64_t padded;
};

// Memory of the next rows: a loop over rows prefetches so many cache lines after every
// `prefetch_step` codes.
constexpr std::int64_t prefetch_step = 2048;
struct Prefetch {
    const std::uint8_t *next;
    std::int64_t lines_a_step;
};

struct KernelTable {
    const char *name;
    std::int64_t levels; // components of a plane lie in -levels..levels
    bool centred;        // dots are of code - 128, so offsets are zero
    // Up to so many queries take two planes each: while memory bandwidth is the bottleneck, the
    // second plane is free.
    std::int64_t two_plane_queries;
    // Up to so many queries are faster by dots_few.
    std::int64_t few_queries;

    // Called in each thread before and after the other functions; null where the set needs neither.
    void (*begin)();
    void (*end)();

    // Dot products [2 planes][block_rows][16] of a block and two packed planes.
    void (*dots)(const RowCodes &block, const std::int8_t *planes, Prefetch prefetch,
                 std::int32_t *dots);
    // Dot products [block_rows][16] of a block and one packed plane; null where two planes at once
    // take no longer.
    void (*dots_one)(const RowCodes &block, const std::int8_t *plane, Prefetch prefetch,
                     std::int32_t *dots);
    // Dot products [n][2 planes][block_rows] of a block and n queries, whose components are [n][2
    // planes][padded].
    void (*dots_few)(const RowCodes &block, const std::int8_t *numbers, std::int64_t n,
                     Prefetch prefetch, std::int32_t *dots);
    // Writes the pairs of a block that may reach the floors, in the order of rows, and returns
    // their count. A dot product is base * dots[0] + dots[1] of dots [2 planes][rows][16]; with
    // base 0 there is one plane.
    std::int64_t (*prune)(const std::int32_t *dots, float base, const RowCodes &block,
                          const Lanes &lanes, CandidatePair *pairs);
    // prune for one lane, dots [2 planes][block_rows].
    std::int64_t (*prune_few)(const std::int32_t *dots, float base, const RowCodes &block,
                              const Lanes &lanes, std::int64_t lane, CandidatePair *pairs);
    double (*exact_score)(const float *query, const float *row, std::int64_t width, double *work);
    // Scores of one row or query with n others; `next` is fetched into the cache meanwhile. `work`
    // has room for 2 * width numbers.
    void (*exact_scores)(const float *one, const float *const *others, std::int64_t n,
                         std::int64_t width, const float *next, double *work, double *scores);
    // See code_score.hpp and encode_row.hpp.
    double (*code_score)(const double *query, const std::uint8_t *codes, std::int64_t width);
    bool (*encode_row)(const float *row, const float *centre, std::int64_t width, double *work,
                       std::uint8_t *codes, std::uint8_t *residual, float *terms);
    // See estimate_row.hpp.
    void (*estimate_row32)(const float *row, const float *queries, std::int64_t n,
                           std::int64_t width, float *estimates);
    void (*estimate_row64)(const double *row, const double *queries, std::int64_t n,
                           std::int64_t width, float *estimates);
    // See resample/pass.hpp.
    Across *across;
    Down *down;
};

#define TWINLENS_DECLARE(name, needs) extern const KernelTable name##_kernels;
TWINLENS_SEARCH_SETS(TWINLENS_DECLARE)
#undef TWINLENS_DECLARE

} // namespace twinlens
