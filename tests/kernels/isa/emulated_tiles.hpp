// emulated_tiles.hpp - the instructions of AMX in plain C++, for processors that have none.
//
// Included before amx.cpp: its intrinsics are macros, which these replace.
#pragma once

#include <cstdint>
#include <cstring>

#include <immintrin.h>

namespace emulated {
namespace {

struct Tile {
    unsigned char rows[16][64];
};

inline Tile *tiles() {
    static thread_local Tile all[8];
    return all;
}

inline void load(int tile, const void *from, std::int64_t stride) {
    for (std::int64_t i = 0; i < 16; ++i) {
        std::memcpy(tiles()[tile].rows[i], static_cast<const char *>(from) + i * stride, 64);
    }
}

inline void store(int tile, void *to, std::int64_t stride) {
    for (std::int64_t i = 0; i < 16; ++i) {
        std::memcpy(static_cast<char *>(to) + i * stride, tiles()[tile].rows[i], 64);
    }
}

inline float from_bf16(const unsigned char *at) {
    const std::uint32_t bits = (at[0] | static_cast<std::uint32_t>(at[1]) << 8U) << 16U;
    float number;
    std::memcpy(&number, &bits, sizeof number);
    return number;
}

// sums[m][n] += sum over k of product(4 bytes k of row m of a, 4 bytes n of row k of b)
template <typename Number, typename Product>
void multiply(int sums, int a, int b, const Product &product) {
    for (int m = 0; m < 16; ++m) {
        for (int n = 0; n < 16; ++n) {
            Number sum;
            std::memcpy(&sum, &tiles()[sums].rows[m][4 * n], sizeof sum);
            for (int k = 0; k < 16; ++k) {
                sum += product(&tiles()[a].rows[m][4 * k], &tiles()[b].rows[k][4 * n]);
            }
            std::memcpy(&tiles()[sums].rows[m][4 * n], &sum, sizeof sum);
        }
    }
}

inline void multiply_bytes(int sums, int a, int b) {
    multiply<std::int32_t>(sums, a, b, [](const unsigned char *u, const unsigned char *s) {
        std::int32_t sum = 0;
        for (int i = 0; i < 4; ++i) {
            sum += u[i] * static_cast<std::int8_t>(s[i]);
        }
        return sum;
    });
}

inline void multiply_bf16(int sums, int a, int b) {
    multiply<float>(sums, a, b, [](const unsigned char *x, const unsigned char *y) {
        return from_bf16(x) * from_bf16(y) + from_bf16(x + 2) * from_bf16(y + 2);
    });
}

} // namespace
} // namespace emulated

#undef _tile_loadd
#undef _tile_stream_loadd
#undef _tile_stored
#undef _tile_zero
#undef _tile_dpbusd
#undef _tile_dpbf16ps
#define _tile_loadd(tile, from, stride) emulated::load(tile, from, stride)
#define _tile_stream_loadd(tile, from, stride) emulated::load(tile, from, stride)
#define _tile_stored(tile, to, stride) emulated::store(tile, to, stride)
#define _tile_zero(tile) (emulated::tiles()[tile] = emulated::Tile{})
#define _tile_dpbusd(sums, a, b) emulated::multiply_bytes(sums, a, b)
#define _tile_dpbf16ps(sums, a, b) emulated::multiply_bf16(sums, a, b)
#define _tile_loadconfig(config) static_cast<void>(config)
#define _tile_release() static_cast<void>(0)
