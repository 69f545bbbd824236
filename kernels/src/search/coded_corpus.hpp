// coded_corpus.hpp - the corpus as codes, visited in blocks of 64 rows.
//
// Contract: a view that owns nothing. Blocks come in row order. A block points into the corpus;
// where a filter bars some of its rows, or fewer than 64 are left, allowed rows are copied
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
    std::int64_t first_row;
    std::int64_t count;

    std::int64_t id(std::int32_t row) const { return ids == nullptr ? first_row + row : ids[row]; }
};

class Blocks {
  public:
    explicit Blocks(const CodedCorpus &corpus)
        : corpus_(corpus), codes_(static_cast<std::size_t>(block_rows * corpus.padded), 128),
          terms_(static_cast<std::size_t>(block_rows * corpus.n_terms)), ids_(block_rows) {}

    // Calls visit(block) for all allowed rows in first..last.
    template <typename Visit> void each(std::int64_t first, std::int64_t last, const Visit &visit) {
        for (std::int64_t row = first; row < last;) {
            const std::int64_t whole = row + block_rows;
            if (whole <= last && all_allowed(row)) {
                visit(Block{rows_at(corpus_.codes + row * corpus_.padded,
                                    corpus_.terms + row * corpus_.n_terms),
                            nullptr, row, block_rows});
                row = whole;
                continue;
            }
            const std::int64_t count = gather(row, last);
            if (count > 0) {
                visit(Block{rows_at(codes_.data(), terms_.data()), ids_.data(), 0, count});
            }
        }
    }

    // Calls visit(block) for n given rows.
    template <typename Visit>
    void each_of(const std::int64_t *rows, std::int64_t n, const Visit &visit) {
        for (std::int64_t first = 0; first < n; first += block_rows) {
            const std::int64_t count = std::min(block_rows, n - first);
            for (std::int64_t i = 0; i < count; ++i) {
                prefetch_bytes(corpus_.codes + rows[first + i] * corpus_.padded, corpus_.padded);
            }
            for (std::int64_t i = 0; i < count; ++i) {
                copy(rows[first + i], i);
            }
            visit(Block{rows_at(codes_.data(), terms_.data()), ids_.data(), 0, count});
        }
    }

  private:
    RowCodes rows_at(const std::uint8_t *codes, const float *terms) const {
        return {codes, terms, corpus_.n_terms, corpus_.padded};
    }

    bool all_allowed(std::int64_t row) const {
        return corpus_.allowed == nullptr ||
               std::memchr(corpus_.allowed + row, 0, block_rows) == nullptr;
    }

    // Copies allowed rows from `row` on until the block is full; moves `row` past them.
    std::int64_t gather(std::int64_t &row, std::int64_t last) {
        std::int64_t count = 0;
        for (; row < last && count < block_rows; ++row) {
            if (corpus_.allowed != nullptr && !corpus_.allowed[row]) {
                continue;
            }
            copy(row, count++);
        }
        return count;
    }

    void copy(std::int64_t row, std::int64_t to) {
        const auto padded = static_cast<std::size_t>(corpus_.padded);
        const auto n_terms = static_cast<std::size_t>(corpus_.n_terms);
        std::memcpy(codes_.data() + to * corpus_.padded, corpus_.codes + row * corpus_.padded,
                    padded);
        std::memcpy(terms_.data() + to * corpus_.n_terms, corpus_.terms + row * corpus_.n_terms,
                    n_terms * sizeof(float));
        ids_[static_cast<std::size_t>(to)] = row;
    }

    const CodedCorpus &corpus_;
    std::vector<std::uint8_t> codes_;
    std::vector<float> terms_;
    std::vector<std::int64_t> ids_;
};

} // namespace twinlens
