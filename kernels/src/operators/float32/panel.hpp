// panel.hpp - rows as the products read them: cut into chunks of 1 KiB.
//
// The distance from a row to the next is the same for all widths, so that a block of rows has one
// address and constant offsets; and it is no multiple of 4 KiB, so that its rows do not meet in the
// same sets of the L1 cache.
#pragma once

#include "operators/definitions/norm_row.hpp"
#include "operators/scratch.hpp"
#include "operators/work_split.hpp"
#include "support/arithmetic.hpp"

namespace twinlens::operators::float32 {
namespace {

// [chunks][rows][row_stride] of Numbers::Value, the last chunk as wide as it is.
template <typename Numbers> struct Panel {
    using Value = typename Numbers::Value;

    static constexpr auto value_bytes = static_cast<std::int64_t>(sizeof(Value));
    static constexpr std::int64_t chunk_width = 1024 / value_bytes;
    static constexpr std::int64_t row_stride = chunk_width + 64 / value_bytes;

    Value *rows_at;
    std::int64_t rows, width;

    Value *at(std::int64_t row, std::int64_t column) const {
        return rows_at + (column / chunk_width * rows + row) * row_stride + column % chunk_width;
    }
};

template <typename Numbers>
Panel<Numbers> new_panel(Scratch purpose, std::int64_t rows, std::int64_t width) {
    using Made = Panel<Numbers>;
    const std::int64_t chunks = ceil_div(width, Made::chunk_width);
    return {scratch<typename Made::Value>(purpose, chunks * rows * Made::row_stride), rows, width};
}

// Calls copy(column, n, to) for each chunk of a row.
template <typename Numbers, typename Copy>
void each_chunk(const Panel<Numbers> &panel, std::int64_t row, const Copy &copy) {
    for (std::int64_t at = 0; at < panel.width; at += panel.chunk_width) {
        copy(at, min(panel.width - at, panel.chunk_width), panel.at(row, at));
    }
}

// Rows of x [.., width], behind the norm if there is one.
template <typename Numbers>
Panel<Numbers> panel_of(const float *x, Range rows, std::int64_t width, const Norm *norm) {
    const auto panel = new_panel<Numbers>(Scratch::codes, rows.last - rows.first, width);
    auto *normed = scratch<float>(Scratch::row, width);
    for (std::int64_t row = 0; row < panel.rows; ++row) {
        const float *from = x + (rows.first + row) * width;
        if (norm != nullptr) {
            norm_row(from, width, *norm, normed);
            from = normed;
        }
        each_chunk(panel, row, [from](std::int64_t at, std::int64_t n, auto *to) {
            Numbers::copy(from + at, n, to);
        });
    }
    return panel;
}

template <typename Numbers>
Panel<Numbers> panel_of_bytes(const std::uint8_t *x, Range rows, std::int64_t width) {
    const auto panel = new_panel<Numbers>(Scratch::codes, rows.last - rows.first, width);
    for (std::int64_t row = 0; row < panel.rows; ++row) {
        const std::uint8_t *from = x + (rows.first + row) * width;
        each_chunk(panel, row, [from](std::int64_t at, std::int64_t n, auto *to) {
            Numbers::copy_bytes(from + at, n, to);
        });
    }
    return panel;
}

} // namespace
} // namespace twinlens::operators::float32
