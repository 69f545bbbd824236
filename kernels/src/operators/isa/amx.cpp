// amx.cpp - the operators by AMX tiles: 16 rows of 64 codes times 16 outputs in 16 cycles.

#include <immintrin.h>

#include "cpu/amx_tiles.hpp"
#include "operators/isa/attention_amx.hpp"
#include "operators/lanes/avx512.hpp"
// The definitions stand on the lanes.
#include "operators/bf16/table.hpp"
#include "operators/definitions/linear.hpp"
#include "operators/definitions/self_attention.hpp"
#include "operators/float32/table.hpp"
#include "operators/operator_table.hpp"

namespace twinlens::operators {
namespace {

struct Amx {
    struct Session {
        Session() { cpu::load_tile_config(); }
        ~Session() { cpu::release_tiles(); }
        Session(const Session &) = delete;
        Session &operator=(const Session &) = delete;
    };
    static constexpr bool overlaps = true;
    static constexpr std::int64_t zero = 0;
    static void attend(const Attention &all, const Head &head) { attend_amx(all, head); }
    static constexpr std::int64_t sums_bytes = block_side * 4;

    // Loads the sums so far, or the start row into all 16 rows (a stride of 0 bytes).
    template <bool both> static void load_sums(const std::int32_t *start, const std::int32_t *to) {
        const std::int32_t *from = start != nullptr ? start : to;
        const std::int64_t bytes = start != nullptr ? 0 : sums_bytes;
        _tile_loadd(0, from, bytes);
        _tile_loadd(1, from + 16, bytes);
        if constexpr (both) {
            const std::int32_t *lower = start != nullptr ? start : to + 16 * block_side;
            _tile_loadd(2, lower, bytes);
            _tile_loadd(3, lower + 16, bytes);
        }
    }

    // Codes are loaded with the streaming hint, so that the weights stay in the L1 cache: a quarter
    // faster.
    template <bool both, typename Between>
    static void add(const std::uint8_t *upper, const std::uint8_t *lower, const Weights &weights,
                    const std::int32_t *start, std::int32_t *to, const Between &between) {
        load_sums<both>(start, to);
        for (std::int64_t at = 0; at < weights.steps * tile_bytes; at += tile_bytes) {
            _tile_loadd(6, weights.left + at, 64);
            _tile_stream_loadd(4, upper + at, 64);
            _tile_loadd(7, weights.right + at, 64);
            if constexpr (both) {
                _tile_stream_loadd(5, lower + at, 64);
            }
            _tile_dpbusd(0, 4, 6);
            _tile_dpbusd(1, 4, 7);
            if constexpr (both) {
                _tile_dpbusd(2, 5, 6);
                _tile_dpbusd(3, 5, 7);
            }
            between();
        }
        _tile_stored(0, to, sums_bytes);
        _tile_stored(1, to + 16, sums_bytes);
        if constexpr (both) {
            _tile_stored(2, to + 16 * block_side, sums_bytes);
            _tile_stored(3, to + 16 * block_side + 16, sums_bytes);
        }
    }

    template <typename Between>
    static void sums(const std::uint8_t *codes, std::int64_t row_bytes, std::int64_t rows,
                     const Weights &weights, const std::int32_t *start, std::int32_t *to,
                     const Between &between) {
        if (rows > tile_rows) {
            add<true>(codes, codes + row_bytes, weights, start, to, between);
        } else {
            add<false>(codes, nullptr, weights, start, to, between);
        }
    }
};

// With the attention that all instruction sets have in common. Attention by AMX is 9 % of an int8
// tower's time (ViT-B/32, a Xeon).
struct AmxReproducible : Amx {
    static void attend(const Attention &all, const Head &head) {
        twinlens::operators::attend(all, head);
    }
};

template <typename Engine> constexpr OperatorTable table_of(const char *name) {
    OperatorTable table{};
    table.name = name;
    table.product = product<Engine>;
    table.bytes_product = bytes_product<Engine>;
    table.mlp = mlp<Engine>;
    table.attention = attention<Engine>;
    table.self_attention = self_attention<Engine>;
    table.floats = float32::table_of<float32::Block<float32::Numbers, 14, 2>>();
    table.bf16_layers = bf16::table_of<float32::Block<bf16::Widened, 14, 2>>();
    return table;
}

constexpr OperatorTable reproducible() {
    OperatorTable table = table_of<AmxReproducible>("amx_reproducible");
    table.reproducible = true;
    return table;
}

constexpr OperatorTable amx_reproducible = reproducible();

constexpr OperatorTable table() {
    OperatorTable table = table_of<Amx>("amx");
    table.reproducible_variant = &amx_reproducible;
    return table;
}

} // namespace

constexpr OperatorTable amx_operators = table();

} // namespace twinlens::operators
