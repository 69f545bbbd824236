// linear.hpp - product, bytes_product and mlp of layers.hpp, for the Block of an instruction set
// and of its numbers.
#pragma once

#include "operators/definitions/activation.hpp"
#include "operators/float32/gemm.hpp"
#include "support/arithmetic.hpp"

namespace twinlens::operators::float32 {
namespace {

// Upper bound on a panel, which stays in an L2 cache of 1 MiB beside the weights.
constexpr std::int64_t panel_bytes = 640 << 10;
// Upper bound on the hidden layer of an MLP. It need not stay there whole, as its chunks are read
// one after the other; with half of it the weights are read so often that an MLP of ViT-B/32 takes
// a fifth longer (EPYC, AVX-512).
constexpr std::int64_t hidden_bytes = 2048 << 10;
// Rows at a time where the threads split the outputs.
constexpr std::int64_t few_rows = 256;

struct ToRows {
    float *out;
    const float *residual; // or null; laid out as `out`
    std::int64_t width;
    std::int64_t first = 0; // the layer's column that is the first of out

    void operator()(std::int64_t row, std::int64_t column, First lanes, Floats values) const {
        const std::int64_t at = row * width + column - first;
        if (residual != nullptr) {
            values = values + load(residual + at, lanes);
        }
        store(out + at, values, lanes);
    }
};

template <Activation activation, typename Numbers> struct ToHidden {
    Panel<Numbers> hidden;

    void operator()(std::int64_t row, std::int64_t column, First lanes, Floats values) const {
        Numbers::store(hidden.at(row, column), activated<activation>(values), lanes);
    }
};

template <typename Numbers> std::int64_t most_rows(std::int64_t bytes, std::int64_t width) {
    const std::int64_t row_bytes = width * Panel<Numbers>::value_bytes;
    return max<std::int64_t>(bytes / row_bytes / Grid::tile, 1) * Grid::tile;
}

template <typename Linear> std::int64_t all_together(const Linear &linear) {
    return ceil_div(linear.out, outputs_together);
}

// residual and out begin with row 0, the panel with row `first`.
template <typename Registers, typename Numbers>
void to_rows(const Panel<Numbers> &panel, const typename Numbers::Linear &linear, Range together,
             std::int64_t first, const float *residual, float *out) {
    const std::int64_t before = first * linear.out;
    gemm<Registers>(
        panel, linear, together, nullptr,
        ToRows{out + before, residual == nullptr ? nullptr : residual + before, linear.out, 0});
}

template <typename Registers>
void product(const float *x, std::int64_t rows, const Norm *norm,
             const typename Registers::Linear &linear, const float *residual, float *out,
             const Pool &pool) {
    using Numbers = typename Registers::Numbers;
    const Grid cut = grid(rows, pool.threads, most_rows<Numbers>(panel_bytes, linear.in));
    run(pool, cut.parts(), [&](std::int64_t index) {
        const Range own = cut.rows_of(index);
        to_rows<Registers>(panel_of<Numbers>(x, own, linear.in, norm), linear,
                           cut.outs_of(index, all_together(linear)), own.first, residual, out);
    });
}

template <typename Registers>
void bytes_product(const std::uint8_t *x, std::int64_t rows,
                   const typename Registers::Linear &linear, float *out, const Pool &pool) {
    using Numbers = typename Registers::Numbers;
    const Grid cut = grid(rows, pool.threads, most_rows<Numbers>(panel_bytes, linear.in));
    run(pool, cut.parts(), [&](std::int64_t index) {
        const Range own = cut.rows_of(index);
        to_rows<Registers>(panel_of_bytes<Numbers>(x, own, linear.in), linear,
                           cut.outs_of(index, all_together(linear)), own.first, nullptr, out);
    });
}

template <typename Registers, typename Numbers>
void to_hidden(const Panel<Numbers> &panel, const typename Numbers::Linear &fc1, Range together,
               Activation activation, const Panel<Numbers> &hidden,
               const typename Numbers::Weight *then) {
    switch (activation) {
    case Activation::quick_gelu:
        return gemm<Registers>(panel, fc1, together, then,
                               ToHidden<Activation::quick_gelu, Numbers>{hidden});
    case Activation::gelu:
        return gemm<Registers>(panel, fc1, together, then,
                               ToHidden<Activation::gelu, Numbers>{hidden});
    case Activation::gelu_tanh:
        return gemm<Registers>(panel, fc1, together, then,
                               ToHidden<Activation::gelu_tanh, Numbers>{hidden});
    }
}

// For rows too few to split: the threads split the outputs of both layers.
template <typename Registers>
void mlp_of_few_rows(const float *x, Range rows, const Norm *norm,
                     const typename Registers::Linear &fc1, Activation activation,
                     const typename Registers::Linear &fc2, float *out, const Pool &pool) {
    using Numbers = typename Registers::Numbers;
    const auto hidden = new_panel<Numbers>(Scratch::shared_hidden, rows.last - rows.first, fc1.out);
    const auto threads = static_cast<std::int64_t>(max(pool.threads, 1));
    run(pool, threads, [&](std::int64_t index) {
        const Range next = share_of(all_together(fc2), threads, index);
        to_hidden<Registers>(panel_of<Numbers>(x, rows, fc1.in, norm), fc1,
                             share_of(all_together(fc1), threads, index), activation, hidden,
                             weights_of<Numbers>(fc2, next.first));
    });
    run(pool, threads, [&](std::int64_t index) {
        to_rows<Registers>(hidden, fc2, share_of(all_together(fc2), threads, index), rows.first, x,
                           out);
    });
}

template <typename Registers>
void mlp(const float *x, std::int64_t rows, const Norm *norm, const typename Registers::Linear &fc1,
         Activation activation, const typename Registers::Linear &fc2, float *out,
         const Pool &pool) {
    using Numbers = typename Registers::Numbers;
    const Grid cut = grid(rows, pool.threads, most_rows<Numbers>(hidden_bytes, fc1.out));
    if (cut.out_parts > 1) {
        for (std::int64_t row = 0; row < rows; row += few_rows) {
            mlp_of_few_rows<Registers>(x, {row, min(row + few_rows, rows)}, norm, fc1, activation,
                                       fc2, out, pool);
        }
        return;
    }
    run(pool, cut.parts(), [&](std::int64_t index) {
        const Range own = cut.rows_of(index);
        const auto hidden = new_panel<Numbers>(Scratch::hidden, own.last - own.first, fc1.out);
        to_hidden<Registers>(panel_of<Numbers>(x, own, fc1.in, norm), fc1, {0, all_together(fc1)},
                             activation, hidden, fc2.weights);
        to_rows<Registers>(hidden, fc2, {0, all_together(fc2)}, own.first, x, out);
    });
}

} // namespace
} // namespace twinlens::operators::float32
