// amx.cpp - AMX tiles: 16 rows of 64 codes times 16 queries in one instruction of 16 cycles.
//
// Rows of codes are tiles as they stand, and packed planes are the tiles of the other side.
// Linux lends the tile registers to a process only when it asks.

#include <immintrin.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cpu/features.hpp"
#include "resample/avx512.hpp"
#include "search/exact_score.hpp"
#include "search/isa/code_score.hpp"
#include "search/isa/dot_few_avx512.hpp"
#include "search/isa/encode_row.hpp"
#include "search/isa/prune_avx512.hpp"
#include "search/kernel_table.hpp"

namespace twinlens {
namespace {

struct alignas(64) TileConfig {
    std::uint8_t palette, start_row, reserved[14];
    std::uint16_t row_bytes[16];
    std::uint8_t rows[16];
};

// Eight tiles of 16 rows of 64 bytes.
constexpr TileConfig all_whole() {
    TileConfig config{};
    config.palette = 1;
    for (int tile = 0; tile < 8; ++tile) {
        config.row_bytes[tile] = 64;
        config.rows[tile] = 16;
    }
    return config;
}

// Static, because GCC's loadconfig tells its optimiser of the first 8 bytes only.
constexpr TileConfig config = all_whole();

void begin() { _tile_loadconfig(&config); }

void end() { _tile_release(); }

// Into the second-level cache: the first is full of the tiles of queries.
void ask_for_part(Ahead &ahead, std::int64_t part) {
    for (std::int64_t line = part; line < ahead.lines_a_step; line += 4, ahead.next += 64) {
        _mm_prefetch(reinterpret_cast<const char *>(ahead.next), _MM_HINT_T1);
    }
}

void dots(const RowCodes &block, const std::int8_t *planes, Ahead ahead, std::int32_t *out) {
    const std::int64_t padded = block.padded;
    for (std::int64_t row = 0; row < block_rows; row += 32) {
        const std::uint8_t *upper = block.codes + row * padded, *lower = upper + 16 * padded;
        const std::int8_t *first = planes, *second = planes + padded * lanes;
        _tile_zero(0);
        _tile_zero(1);
        _tile_zero(2);
        _tile_zero(3);
        for (std::int64_t at = 0; at < padded; at += 64) {
            // 32 rows of 64 codes: a step of Ahead, asked for in four parts among the tiles.
            ask_for_part(ahead, 0);
            _tile_loadd(4, upper + at, padded);
            _tile_loadd(6, first + at * lanes, 64);
            ask_for_part(ahead, 1);
            _tile_loadd(7, second + at * lanes, 64);
            _tile_dpbusd(0, 4, 6);
            ask_for_part(ahead, 2);
            _tile_loadd(5, lower + at, padded);
            _tile_dpbusd(1, 4, 7);
            ask_for_part(ahead, 3);
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

// Asks Linux for the use of tile data (ARCH_REQ_XCOMP_PERM, feature 18); once granted, always.
bool permitted() { return syscall(SYS_arch_prctl, 0x1023, 18) == 0; }

constexpr Path path{"amx",
                    127,
                    false,
                    32,
                    2,
                    begin,
                    end,
                    dots,
                    few_avx512,
                    screen_avx512,
                    screen_lane_avx512,
                    pair_score,
                    code_score,
                    encode_row,
                    across_avx512,
                    down_avx512};

} // namespace

const Path *amx_path() {
    static const bool runs = processor().amx_int8 && processor().avx512vnni && permitted();
    return runs ? &path : nullptr;
}

} // namespace twinlens
