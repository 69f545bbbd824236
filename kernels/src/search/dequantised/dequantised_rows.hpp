// dequantised_rows.hpp - scores of the rows that codes stand for, where no float32 rows are kept.
//
// Contract: the row is centre + scale n + scale2 n2 in double, rounded to float, in this order; the
// products are exact, so a fused multiply-add changes nothing. dequantise.py has the same bits.
// One object serves one thread.
#pragma once

#include <cstdint>
#include <vector>

#include "search/candidates/candidate.hpp"
#include "search/coded_corpus.hpp"
#include "search/kernel_table.hpp"
#include "support/prefetch.hpp"

namespace twinlens {

class DequantisedRows {
  public:
    DequantisedRows(const CodedCorpus &corpus, const float *centre, const KernelTable &kernels)
        : corpus_(corpus), centre_(centre), kernels_(kernels),
          row_(static_cast<std::size_t>(corpus.width)),
          work_(static_cast<std::size_t>(corpus.padded)) {}

    // The float64 score of a query and a row; infinite for a damaged row, which ranks it first.
    double score(const float *query, std::int64_t row) {
        const float *terms = corpus_.terms + row * corpus_.n_terms;
        const std::uint8_t *codes = corpus_.codes + row * corpus_.padded;
        const double scale = static_cast<double>(terms[0]);
        if (corpus_.residual == nullptr) {
            for (std::int64_t i = 0; i < corpus_.width; ++i) {
                row_[static_cast<std::size_t>(i)] =
                    static_cast<float>(static_cast<double>(centre_[i]) + scale * (codes[i] - 128));
            }
        } else {
            const std::uint8_t *rest = corpus_.residual + row * corpus_.padded;
            const double finer = static_cast<double>(terms[3]);
            for (std::int64_t i = 0; i < corpus_.width; ++i) {
                const double first = static_cast<double>(centre_[i]) + scale * (codes[i] - 128);
                row_[static_cast<std::size_t>(i)] =
                    static_cast<float>(first + finer * (rest[i] - 128));
            }
        }
        return ranked_score(kernels_.exact_score(query, row_.data(), corpus_.width, work_.data()));
    }

    // Announces the next row to be scored.
    void prefetch(std::int64_t row) const {
        prefetch_bytes(corpus_.codes + row * corpus_.padded, corpus_.width);
        if (corpus_.residual != nullptr) {
            prefetch_bytes(corpus_.residual + row * corpus_.padded, corpus_.width);
        }
    }

    const CodedCorpus &corpus() const { return corpus_; }
    double *work() { return work_.data(); }

  private:
    const CodedCorpus &corpus_;
    const float *centre_;
    const KernelTable &kernels_;
    std::vector<float> row_;
    std::vector<double> work_;
};

} // namespace twinlens
