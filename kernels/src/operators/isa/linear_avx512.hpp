// linear_avx512.hpp - product, bytes_product and mlp of compute.hpp, for an engine of
// gemm_avx512.hpp.
#pragma once

#include "operators/isa/activation_avx512.hpp"
#include "operators/isa/gemm_avx512.hpp"
#include "support/arithmetic.hpp"

namespace twinlens::operators {
namespace {

// Codes of a panel take about so many bytes at most, and an mlp's middle: both stay in a
// second-level cache of 2 MiB.
constexpr std::int64_t panel_bytes = 640 << 10, middle_bytes = 1536 << 10,
                       attention_bytes = 2560 << 10;
// Rows that threads share at once, where they split outputs.
constexpr std::int64_t few_rows = 256;

struct ToRows {
    float *out;
    const float *residual; // or null; laid out as `out`
    std::int64_t width;
    std::int64_t first = 0; // column of the linear that is out's first

    void operator()(std::int64_t row, std::int64_t column, __mmask16 lanes, __m512 values) const {
        const std::int64_t at = row * width + column - first;
        if (residual != nullptr) {
            values = _mm512_add_ps(values, _mm512_maskz_loadu_ps(lanes, residual + at));
        }
        _mm512_mask_storeu_ps(out + at, lanes, values);
    }
};

template <Activation activation> struct ToMiddle {
    float *out;
    std::int64_t width;

    void operator()(std::int64_t row, std::int64_t column, __mmask16 lanes, __m512 values) const {
        _mm512_mask_storeu_ps(out + row * width + column, lanes, raised<activation>(values));
    }
};

// Rows of `width` coded by code(row, codes), 64 codes every tile_bytes, which gives the value of
// one.
template <typename Code> Panel coded(std::int64_t rows, std::int64_t width, const Code &code) {
    const std::int64_t tiles_bytes = divided_up(width, tile_width) * tile_bytes;
    auto *codes =
        scratch<std::uint8_t>(Scratch::codes, divided_up(rows, block_side) * 2 * tiles_bytes);
    auto *steps = scratch<float>(Scratch::steps, rows);
    for (std::int64_t row = 0; row < rows; ++row) {
        steps[row] =
            code(row, codes + row / tile_rows * tiles_bytes + row % tile_rows * tile_width);
    }
    return {codes, steps, rows};
}

inline Panel coded_rows(const float *x, Range rows, std::int64_t width, const Norm *norm) {
    auto *normed = scratch<float>(Scratch::row, width);
    return coded(rows.last - rows.first, width, [=](std::int64_t row, std::uint8_t *codes) {
        const float *from = x + (rows.first + row) * width;
        if (norm != nullptr) {
            norm_row(from, width, *norm, normed);
            from = normed;
        }
        return code_row<Zero::middle>(from, width, codes, tile_bytes);
    });
}

inline Panel coded_middle(const float *middle, std::int64_t rows, std::int64_t width) {
    return coded(rows, width, [=](std::int64_t row, std::uint8_t *codes) {
        return code_row<Zero::low>(middle + row * width, width, codes, tile_bytes);
    });
}

inline Panel copied_rows(const std::uint8_t *x, Range rows, std::int64_t width) {
    return coded(rows.last - rows.first, width, [=](std::int64_t row, std::uint8_t *codes) {
        const std::uint8_t *from = x + (rows.first + row) * width;
        for (std::int64_t at = 0; at < width; at += tile_width, codes += tile_bytes) {
            const auto n = min(width - at, tile_width);
            std::memcpy(codes, from + at, static_cast<std::size_t>(n));
        }
        return 1.0F;
    });
}

inline std::int64_t most_rows(std::int64_t bytes, std::int64_t row_bytes) {
    return max<std::int64_t>(bytes / row_bytes / block_side, 1) * block_side;
}

inline std::int64_t pairs_of(const Linear &linear) { return divided_up(linear.out, block_side); }

// Residual and out are whole; the panel is the rows from `first` on.
template <typename Engine>
void to_rows(const Panel &panel, const Linear &linear, std::int64_t zero, Range pairs,
             std::int64_t first, const float *residual, float *out) {
    const std::int64_t before = first * linear.out;
    const typename Engine::Session session;
    multiply<Engine>(
        panel, linear, zero, pairs,
        ToRows{out + before, residual == nullptr ? nullptr : residual + before, linear.out, 0});
}

template <typename Engine>
void product(const float *x, std::int64_t rows, const Norm *norm, const Linear &linear,
             const float *residual, float *out, const Pool &pool) {
    const Grid cut = grid(rows, pool.threads, most_rows(panel_bytes, linear.in));
    run(pool, cut.parts(), [&](std::int64_t index) {
        const Range own = cut.rows_of(index);
        to_rows<Engine>(coded_rows(x, own, linear.in, norm), linear, 128,
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
void to_middle(const Panel &panel, const Linear &widen, Range pairs, Activation activation,
               float *middle) {
    const typename Engine::Session session;
    switch (activation) {
    case Activation::quick_gelu:
        return multiply<Engine>(panel, widen, 128, pairs,
                                ToMiddle<Activation::quick_gelu>{middle, widen.out});
    case Activation::gelu:
        return multiply<Engine>(panel, widen, 128, pairs,
                                ToMiddle<Activation::gelu>{middle, widen.out});
    case Activation::gelu_tanh:
        return multiply<Engine>(panel, widen, 128, pairs,
                                ToMiddle<Activation::gelu_tanh>{middle, widen.out});
    }
}

// The threads split the outputs, of both layers.
template <typename Engine>
void mlp_of_few(const float *x, Range rows, const Norm *norm, const Linear &widen,
                Activation activation, const Linear &narrow, float *out, const Pool &pool) {
    const std::int64_t n = rows.last - rows.first;
    auto *middle = scratch<float>(Scratch::shared_middle, n * widen.out);
    const auto threads = static_cast<std::int64_t>(max(pool.threads, 1));
    run(pool, threads, [&](std::int64_t index) {
        to_middle<Engine>(coded_rows(x, rows, widen.in, norm), widen,
                          share(pairs_of(widen), threads, index), activation, middle);
    });
    run(pool, threads, [&](std::int64_t index) {
        to_rows<Engine>(coded_middle(middle, n, widen.out), narrow, 0,
                        share(pairs_of(narrow), threads, index), rows.first, x, out);
    });
}

template <typename Engine>
void mlp(const float *x, std::int64_t rows, const Norm *norm, const Linear &widen,
         Activation activation, const Linear &narrow, float *out, const Pool &pool) {
    const std::int64_t most =
        most_rows(middle_bytes, widen.out * static_cast<std::int64_t>(sizeof(float)));
    const Grid cut = grid(rows, pool.threads, most);
    if (cut.out_parts > 1) {
        for (std::int64_t row = 0; row < rows; row += few_rows) {
            mlp_of_few<Engine>(x, {row, min(row + few_rows, rows)}, norm, widen, activation, narrow,
                               out, pool);
        }
        return;
    }
    run(pool, cut.parts(), [&](std::int64_t index) {
        const Range own = cut.rows_of(index);
        const std::int64_t n = own.last - own.first;
        auto *middle = scratch<float>(Scratch::middle, n * widen.out);
        to_middle<Engine>(coded_rows(x, own, widen.in, norm), widen, {0, pairs_of(widen)},
                          activation, middle);
        to_rows<Engine>(coded_middle(middle, n, widen.out), narrow, 0, {0, pairs_of(narrow)},
                        own.first, x, out);
    });
}

} // namespace
} // namespace twinlens::operators
