// amx_tiles.hpp - AMX: eight tiles of 16 rows of 64 bytes, held by a thread between two calls.
//
// For files compiled with AMX; features.cpp asks the system for the tile registers.
#pragma once

#include <cstdint>

#include <immintrin.h>

namespace twinlens::cpu {
namespace {

struct alignas(64) TileConfig {
    std::uint8_t palette, start_row, reserved[14];
    std::uint16_t row_bytes[16];
    std::uint8_t rows[16];
};

constexpr TileConfig eight_whole_tiles() {
    TileConfig config{};
    config.palette = 1;
    for (int tile = 0; tile < 8; ++tile) {
        config.row_bytes[tile] = 64;
        config.rows[tile] = 16;
    }
    return config;
}

// Static, because GCC's loadconfig tells its optimiser of the first 8 bytes only.
constexpr TileConfig tile_config = eight_whole_tiles();

inline void load_tile_config() { _tile_loadconfig(&tile_config); }

inline void release_tiles() { _tile_release(); }

} // namespace
} // namespace twinlens::cpu
