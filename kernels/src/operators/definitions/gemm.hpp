// gemm.hpp - int8 matrix product of a panel of rows and packed weights, in blocks of 32 x
// 32.
//
// The engine of an instruction set computes the int32 sums of a block. Weights of 32 outputs stay
// in the L1 cache for all rows of the panel, while those of the next 32 are prefetched. Where the
// engine leaves the vector units idle (AMX), the sums of one block are scaled between the steps of
// the next one. The sums of an engine are of code - Engine::zero: 0, or 128 where only signed bytes
// are multiplied.
#pragma once

#include "operators/compute.hpp"
#include "operators/scratch.hpp"
#include "operators/work_split.hpp"
#include "support/arithmetic.hpp"
#include "support/inline.hpp"

namespace twinlens::operators {
namespace {

constexpr std::int64_t block_side = 32;

// A tile is 64 codes of 16 rows, contiguous: it loads a third faster than rows far apart.
constexpr std::int64_t tile_rows = 16, tile_width = 64, tile_bytes = tile_rows * tile_width;

struct Panel {
    const std::uint8_t *codes; // [tiles of rows, in pairs][steps] tiles
    const float *scales;       // [rows]
    std::int64_t rows, steps;
    std::int64_t serial; // another for other codes
};

// Scale, bias and zero-point correction of 32 outputs; zero beyond the last.
struct alignas(64) Columns {
    float scales[block_side], bias[block_side];
    std::int32_t start[block_side]; // -zero * sum of the output's weights
    std::int64_t first;
    First lanes[2];
    bool whole; // all lanes

    void fill(const Linear &linear, std::int64_t zero, std::int64_t column) {
        first = column;
        whole = column + block_side <= linear.out;
        for (int half = 0; half < 2; ++half) {
            const std::int64_t at = column + 16 * half;
            lanes[half] = lanes_from(at, linear.out);
            store(scales + 16 * half, load(linear.scales + at, lanes[half]));
            store(bias + 16 * half,
                  linear.bias == nullptr ? zeros() : load(linear.bias + at, lanes[half]));
            store(start + 16 * half,
                  load(linear.sums + at, lanes[half]) * static_cast<std::int32_t>(-zero));
        }
    }
};

// A block's sums [32][32]; the first `done` rows are written out.
struct OutputBlock {
    alignas(64) std::int32_t sums[block_side * block_side];
    const Columns *columns = nullptr;
    std::int64_t row = 0, rows = 0, done = 0;

    void start(const Columns &own, std::int64_t first, std::int64_t n) {
        columns = &own;
        row = first;
        rows = n;
        done = 0;
    }
};

// Rows first .. last - 1 of a block. All that the loop reads but the sums is copied first, as the
// compiler cannot know that `finish` does not write to it.
template <typename Finish>
TWINLENS_INLINE void finish_range(const OutputBlock &block, Range range, const Panel &panel,
                                  First left, First right, const Finish finish) {
    const Columns &columns = *block.columns;
    const Floats scales[2] = {load(columns.scales), load(columns.scales + 16)};
    const Floats bias[2] = {load(columns.bias), load(columns.bias + 16)};
    const std::int64_t column = columns.first, end = block.row + range.last;
    const float *row_scales = panel.scales;
    const std::int32_t *sums = block.sums + range.first * block_side;
    for (std::int64_t row = block.row + range.first; row < end; ++row, sums += block_side) {
        const Floats step = broadcast(row_scales[row]);
        finish(row, column, left, fma(to_floats(load(sums)), step * scales[0], bias[0]));
        finish(row, column + 16, right, fma(to_floats(load(sums + 16)), step * scales[1], bias[1]));
    }
}

template <typename Finish>
TWINLENS_INLINE void finish_rows(OutputBlock &block, std::int64_t n, const Panel &panel,
                                 const Finish &finish) {
    const Range range{block.done, min(block.done + n, block.rows)};
    if (range.first >= range.last) { // as before the first block, which has no columns
        return;
    }
    block.done = range.last;
    if (block.columns->whole) { // stores under a mask take 4 % of the time on a Zen 5
        return finish_range(block, range, panel, all_lanes(), all_lanes(), finish);
    }
    finish_range(block, range, panel, block.columns->lanes[0], block.columns->lanes[1], finish);
}

// The weights of the next 32 outputs.
struct Prefetch {
    const std::int8_t *next;
    std::int64_t lines_a_step;

    void issue() {
        for (std::int64_t line = 0; line < lines_a_step; ++line, next += 64) {
            prefetch(next);
        }
    }
};

// Rows of a block that are written out next.
struct Expected {
    std::int64_t next, last, rows_a_step;

    template <typename Finish> void issue(const Finish &finish, std::int64_t column) {
        const std::int64_t end = min(next + rows_a_step, last);
        for (; next < end; ++next) {
            finish.expect(next, column);
        }
    }
};

// Two columns of weight tiles, of 16 outputs each.
struct Weights {
    const std::int8_t *left, *right;
    std::int64_t steps;
    bool again; // the same as at the engine's call before
    const Panel *panel;
    std::int64_t row, step; // of the panel, the first
};

// Long rows are split into chunks, so that the weights of one chunk, 24 KiB, stay in an L1 cache of
// 48 KiB for several blocks. Loading the sums again for each chunk costs less.
struct Chunks {
    std::int64_t blocks, steps; // blocks a group, steps a chunk

    static constexpr std::int64_t most_blocks = 4, whole = 16, most_steps = 12;

    static Chunks of(std::int64_t steps) {
        if (steps <= whole) {
            return {2, max<std::int64_t>(steps, 1)};
        }
        return {most_blocks, ceil_div(steps, ceil_div(steps, most_steps))};
    }

    // visit(place in the group, block, steps)
    template <typename Visit>
    void each(std::int64_t n_blocks, std::int64_t n_steps, const Visit &visit) const {
        for (std::int64_t first = 0; first < n_blocks; first += blocks) {
            const std::int64_t n = min(n_blocks - first, blocks);
            for (std::int64_t step = 0; step < n_steps; step += steps) {
                for (std::int64_t i = 0; i < n; ++i) {
                    visit(i, first + i, Range{step, min(step + steps, n_steps)});
                }
            }
        }
    }
};

// Outputs 32 * pairs.first .. 32 * pairs.last; finish(row, output, lanes, values) stores 16 of
// them.
template <typename Engine, typename Finish>
void gemm(const Panel &panel, const Linear &linear, std::int64_t zero, Range pairs,
          const Finish &finish) {
    // An empty batch, or a part beyond the last tile of rows.
    if (panel.rows == 0) {
        return;
    }
    const std::int64_t steps = ceil_div(linear.in, tile_width);
    const std::int64_t column_bytes = steps * tile_bytes;
    const Chunks chunks = Chunks::of(steps);
    const std::int64_t n_blocks = ceil_div(panel.rows, block_side);
    Columns columns[2];
    OutputBlock blocks[Chunks::most_blocks];
    OutputBlock *before = &blocks[Chunks::most_blocks - 1];
    for (std::int64_t pair = pairs.first; pair < pairs.last; ++pair) {
        Columns &own = columns[pair % 2];
        own.fill(linear, zero - Engine::zero, pair * block_side);
        const std::int8_t *left = linear.codes + 2 * pair * column_bytes;
        const std::int8_t *right =
            pair * block_side + 16 >= linear.out ? left : left + column_bytes;
        Prefetch prefetch{left + 2 * column_bytes,
                          pair + 1 < pairs.last ? ceil_div(32, n_blocks) : 0};
        chunks.each(n_blocks, steps, [&](std::int64_t at, std::int64_t index, Range part) {
            OutputBlock &block = blocks[at];
            const std::int64_t row = index * block_side, n = part.last - part.first;
            const std::int64_t skipped = part.first * tile_bytes;
            const Weights weights{left + skipped,
                                  right + skipped,
                                  n,
                                  at > 0 || (index > 0 && n == steps),
                                  &panel,
                                  row,
                                  part.first};
            const std::int64_t rows_a_step = ceil_div(before->rows, n);
            const std::int64_t rows = min(panel.rows - row, block_side);
            Expected expected{row, row + (part.last == steps ? rows : 0), ceil_div(rows, n)};
            Engine::sums(panel.codes + row / tile_rows * column_bytes + skipped, column_bytes, rows,
                         weights, part.first == 0 ? own.start : nullptr, block.sums, [&] {
                             prefetch.issue();
                             expected.issue(finish, own.first);
                             if constexpr (Engine::overlaps) {
                                 finish_rows(*before, rows_a_step, panel, finish);
                             }
                         });
            if (part.last < steps) {
                return;
            }
            finish_rows(*before, block_side, panel, finish);
            block.start(own, row, rows);
            before = &block;
            if constexpr (!Engine::overlaps) {
                finish_rows(block, block_side, panel, finish);
            }
        });
    }
    finish_rows(*before, block_side, panel, finish);
}

} // namespace
} // namespace twinlens::operators
