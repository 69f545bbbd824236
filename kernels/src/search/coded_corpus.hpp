// coded_corpus.hpp - the corpus as codes, visited in blocks of 64 rows.
//
// Contract: a view that owns nothing. Blocks come in row order. A block points into the corpus;
// where a filter bars most of its rows, or fewer than 64 are left, allowed rows are copied
// together.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <vector>

#include "search/kernel_table.hpp"
#include "support/prefetch.hpp"

namespace twinlens {

struct CodedCorpus {
    const float *rows;            // [n, width]
    const std::uint8_t *codes;    // [n, padded]
    const std::uint8_t *residual; // [n, padded], or null
    const float *terms;           // [n, n_terms]
    const bool *allowed;          // [n], or null
    std::int64_t n;
    std::int64_t width;
    std::int64_t padded;
    std::int64_t n_terms;
};

// A block, and which corpus rows it holds.
struct Block {
    RowCodes rows;
    const std::int64_t *ids; // [count], or null: first_row, first_row + 1, ...
    const bool *allowed;     // [count], or null: all are
    std::int64_t first_row;
    std::int64_t count;

    bool holds(std::int32_t row) const {
        return row < count && (allowed == nullptr || allowed[row]);
    }
    std::int64_t id(std::int32_t row) const { return ids == nullptr ? first_row + row : ids[row]; }
};

class Blocks {
  public:
    explicit Blocks(const CodedCorpus &corpus)
        : corpus_(corpus), codes_(static_cast<std::size_t>(block_rows * corpus.padded), 128),
          terms_(static_cast<std::size_t>(block_rows * corpus.n_terms)), ids_(block_rows) {}

    // Calls visit(block) for all allowed rows in first..last.
    template <typename Visit> void each(std::int64_t first, std::int64_t last, const Visit &visit) {
        // Where fewer rows are barred, multiplying them takes less than copying the others
        // together: one query of 100,000 rows, 1 % barred, 1.4 ms in place of 2.5.
        constexpr std::int64_t worthwhile = block_rows * 3 / 4;
        for (std::int64_t row = first; row < last;) {
            const std::int64_t whole = row + block_rows;
            const std::int64_t n = whole <= last ? n_allowed(row) : 0;
            if (n >= worthwhile) {
                const bool *allowed = n == block_rows ? nullptr : corpus_.allowed + row;
                visit(Block{rows_at(corpus_.codes + row * corpus_.padded,
                                    corpus_.terms + row * corpus_.n_terms),
                            nullptr, allowed, row, block_rows});
                row = whole;
                continue;
            }
            const std::int64_t count = gather(row, last);
            if (count > 0) {
                visit_copies(ids_.data(), count, visit);
            }
        }
    }

    // Calls visit(block) for n given rows.
    template <typename Visit>
    void each_of(const std::int64_t *rows, std::int64_t n, const Visit &visit) {
        for (std::int64_t first = 0; first < n; first += block_rows) {
            visit_copies(rows + first, std::min(block_rows, n - first), visit);
        }
    }

  private:
    RowCodes rows_at(const std::uint8_t *codes, const float *terms) const {
        return {codes, terms, corpus_.n_terms, corpus_.padded};
    }

    // Of the rows of a block.
    std::int64_t n_allowed(std::int64_t row) const {
        if (corpus_.allowed == nullptr) {
            return block_rows;
        }
        // As bytes: numpy's bools may hold other numbers than 0 and 1, which all allow.
        std::uint8_t flags[block_rows];
        std::memcpy(flags, corpus_.allowed + row, sizeof flags);
        return block_rows - std::count(flags, flags + block_rows, std::uint8_t{0});
    }

    // The first allowed row from `row` on, or last.
    std::int64_t next_allowed(std::int64_t row, std::int64_t last) const {
        if (corpus_.allowed == nullptr) {
            return row;
        }
        std::uint64_t eight = 0;
        for (; row + 8 <= last; row += 8) {
            std::memcpy(&eight, corpus_.allowed + row, sizeof eight);
            if (eight != 0) {
                break;
            }
        }
        while (row < last && !corpus_.allowed[row]) {
            ++row;
        }
        return row;
    }

    // Collects allowed rows from `row` on until the block is full; moves `row` past them.
    std::int64_t gather(std::int64_t &row, std::int64_t last) {
        std::int64_t count = 0;
        row = next_allowed(row, last);
        while (row < last && count < block_rows) {
            ids_[static_cast<std::size_t>(count++)] = row;
            row = next_allowed(row + 1, last);
        }
        return count;
    }

    // Rows far apart: all are asked for before the first is copied.
    template <typename Visit>
    void visit_copies(const std::int64_t *rows, std::int64_t count, const Visit &visit) {
        for (std::int64_t i = 0; i < count; ++i) {
            prefetch_bytes(corpus_.codes + rows[i] * corpus_.padded, corpus_.padded);
        }
        const auto padded = static_cast<std::size_t>(corpus_.padded);
        const auto n_terms = static_cast<std::size_t>(corpus_.n_terms);
        for (std::int64_t i = 0; i < count; ++i) {
            std::memcpy(codes_.data() + i * corpus_.padded,
                        corpus_.codes + rows[i] * corpus_.padded, padded);
            std::memcpy(terms_.data() + i * corpus_.n_terms,
                        corpus_.terms + rows[i] * corpus_.n_terms, n_terms * sizeof(float));
        }
        visit(Block{rows_at(codes_.data(), terms_.data()), rows, nullptr, 0, count});
    }

    const CodedCorpus &corpus_;
    std::vector<std::uint8_t> codes_;
    std::vector<float> terms_;
    std::vector<std::int64_t> ids_;
};

} // namespace twinlens
