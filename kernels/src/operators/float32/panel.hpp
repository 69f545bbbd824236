// panel.hpp - rows as the products read them: cut into chunks of 256 inputs.
//
// The distance from a row to the next is the same for all widths, so that a block of rows has one
// address and constant offsets; and it is no multiple of 4 KiB, so that its rows do not meet in the
// same sets of the L1 cache.
#pragma once

#include <cstring>

#include "operators/definitions/norm_row.hpp"
#include "operators/scratch.hpp"
#include "operators/work_split.hpp"
#include "support/arithmetic.hpp"

namespace twinlens::operators::float32 {
namespace {

constexpr std::int64_t chunk_width = 256, row_stride = chunk_width + 16;

// [chunks][rows][row_stride], the last chunk as wide as it is.
struct Panel {
    float *rows_at;
    std::int64_t rows, width;

    float *at(std::int64_t row, std::int64_t column) const {
        return rows_at + (column / chunk_width * rows + row) * row_stride + column % chunk_width;
    }
};

inline Panel new_panel(Scratch purpose, std::int64_t rows, std::int64_t width) {
    return {scratch<float>(purpose, ceil_div(width, chunk_width) * rows * row_stride), rows, width};
}

inline void copy_row(const float *from, const Panel &panel, std::int64_t row) {
    for (std::int64_t at = 0; at < panel.width; at += chunk_width) {
        const auto n = static_cast<std::size_t>(min(panel.width - at, chunk_width));
        std::memcpy(panel.at(row, at), from + at, n * sizeof(float));
    }
}

// Rows of x [.., width], behind the norm if there is one.
inline Panel panel_of(const float *x, Range rows, std::int64_t width, const Norm *norm) {
    const Panel panel = new_panel(Scratch::codes, rows.last - rows.first, width);
    auto *normed = scratch<float>(Scratch::row, width);
    for (std::int64_t row = 0; row < panel.rows; ++row) {
        const float *from = x + (rows.first + row) * width;
        if (norm != nullptr) {
            norm_row(from, width, *norm, normed);
            from = normed;
        }
        copy_row(from, panel, row);
    }
    return panel;
}

inline Panel panel_of_bytes(const std::uint8_t *x, Range rows, std::int64_t width) {
    const Panel panel = new_panel(Scratch::codes, rows.last - rows.first, width);
    for (std::int64_t row = 0; row < panel.rows; ++row) {
        const std::uint8_t *from = x + (rows.first + row) * width;
        for (std::int64_t at = 0; at < width; at += chunk_width) {
            float *to = panel.at(row, at);
            for (std::int64_t i = 0; i < min(width - at, chunk_width); ++i) {
                to[i] = static_cast<float>(from[at + i]);
            }
        }
    }
    return panel;
}

} // namespace
} // namespace twinlens::operators::float32
