// amx.cpp - the operators by AMX tiles: 16 rows of 64 codes times 16 outputs in 16 cycles.
//
// Linux lends the tile registers to a process only when it asks.

#include <immintrin.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../processor.hpp"
#include "attention_amx.hpp"
#include "linear.hpp"
#include "path.hpp"
#include "self_attention.hpp"

namespace twinlens::operators {
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

struct Amx {
    struct Session {
        Session() { _tile_loadconfig(&config); }
        ~Session() { _tile_release(); }
        Session(const Session &) = delete;
        Session &operator=(const Session &) = delete;
    };
    static constexpr bool overlaps = true;
    static void attend(const Attention &all, const Head &head) { attend_amx(all, head); }
    static constexpr std::int64_t sums_bytes = block_side * 4;

    // A step of 0 bytes loads one row 16 times.
    template <typename Between>
    static void upper_sums(const std::uint8_t *codes, const std::int8_t *left,
                           const std::int8_t *right, std::int64_t steps, const std::int32_t *start,
                           std::int32_t *to, const Between &between) {
        _tile_loadd(0, start, 0);
        _tile_loadd(1, start + 16, 0);
        for (std::int64_t step = 0; step < steps; ++step) {
            _tile_loadd(6, left + step * tile_bytes, 64);
            _tile_loadd(4, codes + step * tile_bytes, 64);
            _tile_loadd(7, right + step * tile_bytes, 64);
            _tile_dpbusd(0, 4, 6);
            _tile_dpbusd(1, 4, 7);
            between();
        }
        _tile_stored(0, to, sums_bytes);
        _tile_stored(1, to + 16, sums_bytes);
    }

    template <typename Between>
    static void sums(const std::uint8_t *codes, std::int64_t rows, const std::int8_t *left,
                     const std::int8_t *right, std::int64_t steps, const std::int32_t *start,
                     std::int32_t *to, const Between &between) {
        if (rows <= 16) {
            return upper_sums(codes, left, right, steps, start, to, between);
        }
        const std::uint8_t *lower = codes + steps * tile_bytes;
        _tile_loadd(0, start, 0);
        _tile_loadd(1, start + 16, 0);
        _tile_loadd(2, start, 0);
        _tile_loadd(3, start + 16, 0);
        for (std::int64_t step = 0; step < steps; ++step) {
            _tile_loadd(6, left + step * tile_bytes, 64);
            _tile_loadd(4, codes + step * tile_bytes, 64);
            _tile_loadd(7, right + step * tile_bytes, 64);
            _tile_loadd(5, lower + step * tile_bytes, 64);
            _tile_dpbusd(0, 4, 6);
            _tile_dpbusd(1, 4, 7);
            _tile_dpbusd(2, 5, 6);
            _tile_dpbusd(3, 5, 7);
            between();
        }
        _tile_stored(0, to, sums_bytes);
        _tile_stored(1, to + 16, sums_bytes);
        _tile_stored(2, to + 16 * block_side, sums_bytes);
        _tile_stored(3, to + 16 * block_side + 16, sums_bytes);
    }
};

// Asks Linux for the use of tile data (ARCH_REQ_XCOMP_PERM, feature 18); once granted, always.
bool permitted() { return syscall(SYS_arch_prctl, 0x1023, 18) == 0; }

constexpr Path path{"amx",    product<Amx>,   bytes_product<Amx>,
                    mlp<Amx>, attention<Amx>, self_attention<Amx>};

} // namespace

const Path *amx_path() {
    static const bool runs =
        processor().amx_int8 && processor().amx_bf16 && processor().avx512vnni && permitted();
    return runs ? &path : nullptr;
}

} // namespace twinlens::operators
