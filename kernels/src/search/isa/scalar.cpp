// scalar.cpp - plain C++, for any processor.

#include "resample/scalar.hpp"
#include "search/exact_score.hpp"
#include "search/isa/code_score.hpp"
#include "search/isa/encode_row.hpp"
#include "search/isa/prune.hpp"
#include "search/kernel_table.hpp"

namespace twinlens {
namespace {

void dots(const RowCodes &block, const std::int8_t *planes, Prefetch, std::int32_t *out) {
    for (std::int64_t plane = 0; plane < 2; ++plane) {
        const std::int8_t *numbers = planes + plane * block.padded * lanes;
        for (std::int64_t row = 0; row < block_rows; ++row) {
            const std::uint8_t *codes = block.codes + row * block.padded;
            std::int32_t sums[lanes] = {};
            for (std::int64_t at = 0; at < block.padded; ++at) {
                const std::int8_t *quads = numbers + at / 4 * 4 * lanes + at % 4;
                for (std::int64_t lane = 0; lane < lanes; ++lane) {
                    sums[lane] += static_cast<std::int32_t>(codes[at]) * quads[4 * lane];
                }
            }
            std::int32_t *to = out + (plane * block_rows + row) * lanes;
            for (std::int64_t lane = 0; lane < lanes; ++lane) {
                to[lane] = sums[lane];
            }
        }
    }
}

void dots_few(const RowCodes &block, const std::int8_t *numbers, std::int64_t n, Prefetch,
              std::int32_t *out) {
    for (std::int64_t row = 0; row < block_rows; ++row) {
        const std::uint8_t *codes = block.codes + row * block.padded;
        for (std::int64_t column = 0; column < 2 * n; ++column) {
            const std::int8_t *others = numbers + column * block.padded;
            std::int32_t sum = 0;
            for (std::int64_t at = 0; at < block.padded; ++at) {
                sum += static_cast<std::int32_t>(codes[at]) * others[at];
            }
            out[column * block_rows + row] = sum;
        }
    }
}

constexpr KernelTable table() {
    KernelTable table{};
    table.name = "scalar";
    table.levels = 127;
    table.few_queries = 4;
    table.dots = dots;
    table.dots_few = dots_few;
    table.prune = prune_block;
    table.prune_few = prune_lane;
    table.exact_score = exact_score<float>;
    table.exact_scores = exact_scores<exact_score<double>>;
    table.code_score = code_score;
    table.encode_row = encode_row;
    table.across = across_scalar;
    table.down = down_scalar;
    return table;
}

} // namespace

constexpr KernelTable scalar_kernels = table();

} // namespace twinlens
