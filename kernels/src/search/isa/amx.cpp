// amx.cpp - AMX tiles: 16 rows of 64 codes times 16 queries in one instruction of 16 cycles.
//
// Rows of codes are tiles as they stand, and packed planes are the tiles of the other side.

#include <immintrin.h>

#include "cpu/amx_tiles.hpp"
#include "resample/avx512.hpp"
#include "search/isa/code_score.hpp"
#include "search/isa/encode_row.hpp"
#include "search/isa/x86/dot_few_avx512.hpp"
#include "search/isa/x86/exact_score_avx512.hpp"
#include "search/isa/x86/prune_avx512.hpp"
#include "search/kernel_table.hpp"

namespace twinlens {
namespace {

// Into the L2 cache: the L1 cache is full of the tiles of queries.
void issue_part(Prefetch &prefetch, std::int64_t part) {
    for (std::int64_t line = part; line < prefetch.lines_a_step; line += 4, prefetch.next += 64) {
        _mm_prefetch(reinterpret_cast<const char *>(prefetch.next), _MM_HINT_T1);
    }
}

void dots(const RowCodes &block, const std::int8_t *planes, Prefetch prefetch, std::int32_t *out) {
    const std::int64_t padded = block.padded;
    for (std::int64_t row = 0; row < block_rows; row += 32) {
        const std::uint8_t *upper = block.codes + row * padded, *lower = upper + 16 * padded;
        const std::int8_t *first = planes, *second = planes + padded * lanes;
        _tile_zero(0);
        _tile_zero(1);
        _tile_zero(2);
        _tile_zero(3);
        for (std::int64_t at = 0; at < padded; at += 64) {
            // 32 rows of 64 codes: one prefetch_step, issued in four parts between the tile
            // instructions.
            issue_part(prefetch, 0);
            _tile_loadd(4, upper + at, padded);
            _tile_loadd(6, first + at * lanes, 64);
            issue_part(prefetch, 1);
            _tile_loadd(7, second + at * lanes, 64);
            _tile_dpbusd(0, 4, 6);
            issue_part(prefetch, 2);
            _tile_loadd(5, lower + at, padded);
            _tile_dpbusd(1, 4, 7);
            issue_part(prefetch, 3);
            _tile_dpbusd(2, 5, 6);
            _tile_dpbusd(3, 5, 7);
        }
        std::int32_t *to = out + row * lanes, *second_to = to + block_rows * lanes;
        _tile_stored(0, to, 64);
        _tile_stored(1, second_to, 64);
        _tile_stored(2, to + 16 * lanes, 64);
        _tile_stored(3, second_to + 16 * lanes, 64);
    }
}

constexpr KernelTable table() {
    KernelTable table{};
    table.name = "amx";
    table.levels = 127;
    table.two_plane_queries = 32;
    table.few_queries = 2;
    table.begin = cpu::load_tile_config;
    table.end = cpu::release_tiles;
    table.dots = dots;
    table.dots_few = dots_few_avx512<1024>;
    table.prune = prune_avx512;
    table.prune_few = prune_lane_avx512;
    table.exact_score = exact_score_avx512;
    table.exact_scores = exact_scores_avx512;
    table.code_score = code_score;
    table.encode_row = encode_row;
    table.across = across_avx512;
    table.down = down_avx512;
    return table;
}

} // namespace

constexpr KernelTable amx_kernels = table();

} // namespace twinlens
