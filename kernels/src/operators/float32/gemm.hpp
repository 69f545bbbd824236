// gemm.hpp - matrix product of a panel of rows and packed weights, with sums in float32.
//
// The weights of 32 outputs and one chunk, at most 32 KiB, stay in the L1 cache for all rows of the
// panel, while those of the next chunk are prefetched into the L2 cache. A block of sums, as many
// as fit into the registers, goes over a chunk at a time; between two chunks it is in memory, which
// rounds nothing.
#pragma once

#include "operators/float32/layers.hpp"
#include "operators/float32/panel.hpp"
#include "operators/scratch.hpp"
#include "operators/work_split.hpp"
#include "support/arithmetic.hpp"
#include "support/unrolled.hpp"

namespace twinlens::operators::float32 {
namespace {

// Outputs whose weights lie together.
constexpr int outputs_together = 32;
// Steps over the inputs from one prefetch to the next.
constexpr std::int64_t prefetch_steps = 4;

// The block of sums that fits into the registers, beside a vector of weights and a scalar: rows,
// and vectors of 16 lanes.
template <typename OwnNumbers, int n_rows, int n_vectors> struct Block {
    using Numbers = OwnNumbers;
    using Linear = typename Numbers::Linear;
    static constexpr int rows = n_rows, vectors = n_vectors;
};

// Weights of the index-th 32 outputs.
template <typename Numbers>
const typename Numbers::Weight *weights_of(const typename Numbers::Linear &linear,
                                           std::int64_t index) {
    const std::int64_t steps = ceil_div(linear.in, Numbers::inputs);
    return linear.weights + index * steps * Numbers::inputs * outputs_together;
}

// Weights to prefetch, some cache lines every few steps.
struct Ahead {
    const char *next;
    std::int64_t lines;

    static constexpr std::int64_t line = 64;
};

// sums [rows][32] += x [rows, steps] * weights [steps][32]; with `first` they begin with 0.
template <typename Numbers, int rows, int vectors>
void add_products(const typename Numbers::Value *x, const typename Numbers::Weight *weights,
                  std::int64_t steps, bool first, float *sums, Ahead ahead) {
    constexpr std::int64_t row_stride = Panel<Numbers>::row_stride;
    Floats block[rows][vectors];
    unrolled<rows>([&](auto row) {
        unrolled<vectors>([&](auto v) {
            constexpr int at = decltype(row)::value * outputs_together + 16 * decltype(v)::value;
            block[decltype(row)::value][decltype(v)::value] = first ? zeros() : load(sums + at);
        });
    });
    for (std::int64_t k = 0; k < steps;
         ++k, x += Numbers::inputs, weights += Numbers::inputs * outputs_together) {
        unrolled<Numbers::parts>([&](auto index) {
            constexpr int part = decltype(index)::value;
            Floats own[vectors];
            unrolled<vectors>([&](auto v) {
                own[decltype(v)::value] = Numbers::template weights<part>(
                    weights + 16 * Numbers::inputs * decltype(v)::value);
            });
            unrolled<rows>([&](auto row) {
                const Floats values =
                    Numbers::template values<part>(x + decltype(row)::value * row_stride);
                unrolled<vectors>([&](auto v) {
                    Floats &sum = block[decltype(row)::value][decltype(v)::value];
                    sum = Numbers::add(sum, values, own[decltype(v)::value]);
                });
            });
        });
        if (k % prefetch_steps == 0) {
            for (std::int64_t line = 0; line < ahead.lines; ++line, ahead.next += Ahead::line) {
                prefetch(ahead.next);
            }
        }
    }
    unrolled<rows>([&](auto row) {
        unrolled<vectors>([&](auto v) {
            constexpr int at = decltype(row)::value * outputs_together + 16 * decltype(v)::value;
            store(sums + at, block[decltype(row)::value][decltype(v)::value]);
        });
    });
}

// The same for a number of rows of at most `most`.
template <typename Numbers, int most, int vectors>
void add_products_of(std::int64_t rows, const typename Numbers::Value *x,
                     const typename Numbers::Weight *weights, std::int64_t steps, bool first,
                     float *sums, const Ahead &ahead) {
    if constexpr (most > 1) {
        if (rows < most) {
            return add_products_of<Numbers, most - 1, vectors>(rows, x, weights, steps, first, sums,
                                                               ahead);
        }
    }
    add_products<Numbers, most, vectors>(x, weights, steps, first, sums, ahead);
}

// Adds one chunk to the sums [panel.rows][32] of 32 outputs. `next` are weights to prefetch
// meanwhile.
template <typename Registers, typename Numbers>
void add_chunk(const Panel<Numbers> &panel, const typename Numbers::Weight *weights, Range inputs,
               float *sums, const void *next, std::int64_t next_lines) {
    // Blocks of nearly the same number of rows: a last one of few rows would wait for its sums.
    const std::int64_t steps = ceil_div(inputs.last - inputs.first, Numbers::inputs);
    const std::int64_t blocks = ceil_div(panel.rows, Registers::rows);
    const std::int64_t calls = blocks * (outputs_together / (16 * Registers::vectors));
    const std::int64_t lines_a_call = ceil_div(next_lines, calls);
    const auto *lines_at = static_cast<const char *>(next);
    const std::int64_t lines = ceil_div(lines_a_call, ceil_div(steps, prefetch_steps));
    std::int64_t begun = 0;
    for (std::int64_t column = 0; column < outputs_together; column += 16 * Registers::vectors) {
        for (std::int64_t block = 0; block < blocks; ++block) {
            const Range rows = share_of(panel.rows, blocks, block);
            const std::int64_t skipped = lines * ceil_div(steps, prefetch_steps) * begun++;
            add_products_of<Numbers, Registers::rows, Registers::vectors>(
                rows.last - rows.first, panel.at(rows.first, inputs.first),
                weights + column * Numbers::inputs, steps, inputs.first == 0,
                sums + rows.first * outputs_together + column,
                skipped < next_lines ? Ahead{lines_at + Ahead::line * skipped, lines}
                                     : Ahead{nullptr, 0});
        }
    }
}

// Outputs 32 * together.first .. 32 * together.last; finish(row, output, lanes, values) stores 16
// of them. `then` are the weights that are read after these, or null.
template <typename Registers, typename Numbers, typename Finish>
void gemm(const Panel<Numbers> &panel, const typename Numbers::Linear &linear, Range together,
          const typename Numbers::Weight *then, const Finish &finish) {
    using Weight = typename Numbers::Weight;
    constexpr std::int64_t chunk_width = Panel<Numbers>::chunk_width;
    if (panel.rows == 0) {
        return;
    }
    auto *sums = scratch<float>(Scratch::sums, panel.rows * outputs_together);
    for (std::int64_t index = together.first; index < together.last; ++index) {
        const Weight *weights = weights_of<Numbers>(linear, index);
        for (std::int64_t at = 0; at < linear.in; at += chunk_width) {
            const Range inputs{at, min(at + chunk_width, linear.in)};
            const bool is_last = inputs.last == linear.in;
            const Weight *next = is_last ? weights_of<Numbers>(linear, index + 1)
                                         : weights + inputs.last * outputs_together;
            if (is_last && index + 1 == together.last) {
                next = then;
            }
            const std::int64_t next_inputs =
                min(is_last ? linear.in : linear.in - inputs.last, chunk_width);
            const auto next_bytes =
                next_inputs * outputs_together * static_cast<std::int64_t>(sizeof(Weight));
            add_chunk<Registers>(panel, weights + at * outputs_together, inputs, sums, next,
                                 next == nullptr ? 0 : next_bytes / Ahead::line);
        }
        for (std::int64_t column = 0; column < outputs_together; column += 16) {
            const std::int64_t output = index * outputs_together + column;
            const First lanes = lanes_from(output, linear.out);
            const Floats bias =
                linear.bias == nullptr ? zeros() : load(linear.bias + output, lanes);
            for (std::int64_t row = 0; row < panel.rows; ++row) {
                finish(row, output, lanes, load(sums + row * outputs_together + column) + bias);
            }
        }
    }
}

} // namespace
} // namespace twinlens::operators::float32
