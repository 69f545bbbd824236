// linear.hpp - product, bytes_product and mlp of compute.hpp, for an engine of gemm.hpp.
#pragma once

#include <cstring>

#include "operators/definitions/activation.hpp"
#include "operators/definitions/gemm.hpp"
#include "operators/definitions/norm_row.hpp"
#include "operators/definitions/quantize_rows.hpp"
#include "support/arithmetic.hpp"

namespace twinlens::operators {
namespace {

// Upper bounds on the codes of a panel and on the hidden layer of an MLP, which both stay in an L2
// cache of 2 MiB; and on the items of one part of an attention.
constexpr std::int64_t panel_bytes = 640 << 10, hidden_bytes = 1536 << 10,
                       attention_bytes = 2560 << 10;
// Of the hidden layer, unless an engine that prepares the weights of each panel wants longer ones.
template <typename Engine> constexpr std::int64_t most_hidden_bytes = hidden_bytes;
// Rows at a time where the threads split the outputs.
constexpr std::int64_t few_rows = 256;

struct ToRows {
    float *out;
    const float *residual; // or null; laid out as `out`
    std::int64_t width;
    std::int64_t first = 0; // the layer's column that is the first of out

    // Asks for the lines of a row that 32 outputs are added to: they come from beyond the L2 cache.
    void expect(std::int64_t row, std::int64_t column) const {
        if (residual != nullptr) {
            const std::int64_t at = row * width + column - first;
            for (std::int64_t line = at; line < at + block_side; line += 16) {
                prefetch(residual + line);
                prefetch(out + line);
            }
        }
    }

    void operator()(std::int64_t row, std::int64_t column, First lanes, Floats values) const {
        const std::int64_t at = row * width + column - first;
        if (residual != nullptr) {
            values = values + load(residual + at, lanes);
        }
        store(out + at, values, lanes);
    }
};

template <Activation activation> struct ToHidden {
    float *out;
    std::int64_t width;

    void expect(std::int64_t, std::int64_t) const {} // a panel's hidden layer stays in the L2 cache

    void operator()(std::int64_t row, std::int64_t column, First lanes, Floats values) const {
        store(out + row * width + column, above_lowest<activation>(values), lanes);
    }
};

// A panel of rows of `width`: code(row, codes) writes 64 codes every tile_bytes, and returns the
// row's scale.
template <typename Code> Panel quantized(std::int64_t rows, std::int64_t width, const Code &code) {
    const std::int64_t tiles_bytes = ceil_div(width, tile_width) * tile_bytes;
    auto *codes =
        scratch<std::uint8_t>(Scratch::codes, ceil_div(rows, block_side) * 2 * tiles_bytes);
    auto *scales = scratch<float>(Scratch::scales, rows);
    for (std::int64_t row = 0; row < rows; ++row) {
        scales[row] =
            code(row, codes + row / tile_rows * tiles_bytes + row % tile_rows * tile_width);
    }
    return {codes, scales, rows, ceil_div(width, tile_width), new_serial()};
}

inline Panel quantized_rows(const float *x, Range rows, std::int64_t width, const Norm *norm) {
    auto *normed = scratch<float>(Scratch::row, width);
    return quantized(rows.last - rows.first, width, [=](std::int64_t row, std::uint8_t *codes) {
        const float *from = x + (rows.first + row) * width;
        if (row + 2 < rows.last - rows.first) {
            for (std::int64_t at = 0; at < width; at += 16) {
                prefetch(from + 2 * width + at);
            }
        }
        if (norm != nullptr) {
            norm_row(from, width, *norm, normed);
            from = normed;
        }
        return quantize_row<Zero::middle>(from, width, codes, tile_bytes);
    });
}

inline Panel quantized_hidden(const float *hidden, std::int64_t rows, std::int64_t width) {
    return quantized(rows, width, [=](std::int64_t row, std::uint8_t *codes) {
        return quantize_row<Zero::low>(hidden + row * width, width, codes, tile_bytes);
    });
}

inline Panel copied_rows(const std::uint8_t *x, Range rows, std::int64_t width) {
    return quantized(rows.last - rows.first, width, [=](std::int64_t row, std::uint8_t *codes) {
        const std::uint8_t *from = x + (rows.first + row) * width;
        for (std::int64_t at = 0; at < width; at += tile_width, codes += tile_bytes) {
            const auto n = min(width - at, tile_width);
            std::memcpy(codes, from + at, static_cast<std::size_t>(n));
            if (n < tile_width) { // else codes of an earlier call, where weights may be no zeros
                std::memset(codes + n, 128, static_cast<std::size_t>(tile_width - n));
            }
        }
        return 1.0F;
    });
}

inline std::int64_t most_rows(std::int64_t bytes, std::int64_t row_bytes) {
    return max<std::int64_t>(bytes / row_bytes / block_side, 1) * block_side;
}

inline std::int64_t pairs_of(const Linear &linear) { return ceil_div(linear.out, block_side); }

// residual and out begin with row 0, the panel with row `first`.
template <typename Engine>
void to_rows(const Panel &panel, const Linear &linear, std::int64_t zero, Range pairs,
             std::int64_t first, const float *residual, float *out) {
    const std::int64_t before = first * linear.out;
    const typename Engine::Session session;
    gemm<Engine>(
        panel, linear, zero, pairs,
        ToRows{out + before, residual == nullptr ? nullptr : residual + before, linear.out, 0});
}

template <typename Engine>
void product(const float *x, std::int64_t rows, const Norm *norm, const Linear &linear,
             const float *residual, float *out, const Pool &pool) {
    const Grid cut = grid(rows, pool.threads, most_rows(panel_bytes, linear.in));
    run(pool, cut.parts(), [&](std::int64_t index) {
        const Range own = cut.rows_of(index);
        to_rows<Engine>(quantized_rows(x, own, linear.in, norm), linear, 128,
                        cut.outs_of(index, pairs_of(linear)), own.first, residual, out);
    });
}

template <typename Engine>
void bytes_product(const std::uint8_t *x, std::int64_t rows, const Linear &linear, float *out,
                   const Pool &pool) {
    const Grid cut = grid(rows, pool.threads, most_rows(panel_bytes, linear.in));
    run(pool, cut.parts(), [&](std::int64_t index) {
        const Range own = cut.rows_of(index);
        to_rows<Engine>(copied_rows(x, own, linear.in), linear, 128,
                        cut.outs_of(index, pairs_of(linear)), own.first, nullptr, out);
    });
}

template <typename Engine>
void to_hidden(const Panel &panel, const Linear &fc1, Range pairs, Activation activation,
               float *hidden) {
    const typename Engine::Session session;
    switch (activation) {
    case Activation::quick_gelu:
        return gemm<Engine>(panel, fc1, 128, pairs,
                            ToHidden<Activation::quick_gelu>{hidden, fc1.out});
    case Activation::gelu:
        return gemm<Engine>(panel, fc1, 128, pairs, ToHidden<Activation::gelu>{hidden, fc1.out});
    case Activation::gelu_tanh:
        return gemm<Engine>(panel, fc1, 128, pairs,
                            ToHidden<Activation::gelu_tanh>{hidden, fc1.out});
    }
}

// For rows too few to split: the threads split the outputs of both layers.
template <typename Engine>
void mlp_of_few_rows(const float *x, Range rows, const Norm *norm, const Linear &fc1,
                     Activation activation, const Linear &fc2, float *out, const Pool &pool) {
    const std::int64_t n = rows.last - rows.first;
    auto *hidden = scratch<float>(Scratch::shared_hidden, n * fc1.out);
    const auto threads = static_cast<std::int64_t>(max(pool.threads, 1));
    run(pool, threads, [&](std::int64_t index) {
        to_hidden<Engine>(quantized_rows(x, rows, fc1.in, norm), fc1,
                          share_of(pairs_of(fc1), threads, index), activation, hidden);
    });
    run(pool, threads, [&](std::int64_t index) {
        to_rows<Engine>(quantized_hidden(hidden, n, fc1.out), fc2, 0,
                        share_of(pairs_of(fc2), threads, index), rows.first, x, out);
    });
}

template <typename Engine>
void mlp(const float *x, std::int64_t rows, const Norm *norm, const Linear &fc1,
         Activation activation, const Linear &fc2, float *out, const Pool &pool) {
    const std::int64_t most =
        most_rows(most_hidden_bytes<Engine>, fc1.out * static_cast<std::int64_t>(sizeof(float)));
    const Grid cut = grid(rows, pool.threads, most);
    if (cut.out_parts > 1) {
        for (std::int64_t row = 0; row < rows; row += few_rows) {
            mlp_of_few_rows<Engine>(x, {row, min(row + few_rows, rows)}, norm, fc1, activation, fc2,
                                    out, pool);
        }
        return;
    }
    run(pool, cut.parts(), [&](std::int64_t index) {
        const Range own = cut.rows_of(index);
        const std::int64_t n = own.last - own.first;
        auto *hidden = scratch<float>(Scratch::hidden, n * fc1.out);
        to_hidden<Engine>(quantized_rows(x, own, fc1.in, norm), fc1, {0, pairs_of(fc1)}, activation,
                          hidden);
        to_rows<Engine>(quantized_hidden(hidden, n, fc1.out), fc2, 0, {0, pairs_of(fc2)}, own.first,
                        x, out);
    });
}

} // namespace
} // namespace twinlens::operators
