// rescore.hpp - float64 scores of candidates, offered to the best so far.
//
// Contract: as exact_score.hpp. Candidates whose upper bound is below the floor by their turn are
// skipped. Rows are scattered in memory, so the next one is prefetched while this one is
// multiplied.
#pragma once

#include <algorithm>
#include <cstdint>

#include "search/candidates/candidate.hpp"
#include "search/candidates/topk_heap.hpp"
#include "search/coded_corpus.hpp"
#include "search/kernel_table.hpp"
#include "search/query_codes.hpp"
#include "support/prefetch.hpp"

namespace twinlens {

struct Rescorer {
    const CodedCorpus &corpus;
    const KernelTable &kernels;
    const float *query; // [width]
    const QueryUnits &units;
    double *work; // [(width + 1) / 2]

    double score(std::int64_t row) const {
        return kernels.exact_score(query, corpus.rows + row * corpus.width, corpus.width, work);
    }

    void prefetch(std::int64_t row) const {
        prefetch_bytes(corpus.rows + row * corpus.width,
                       corpus.width * static_cast<std::int64_t>(sizeof(float)));
    }

    // Offers scores to the heap; a candidate is compared with the floor given, or with that of the
    // heap's worst score where it is higher.
    void offer(const Candidate *first, const Candidate *last, TopkHeap &best, float floor) const {
        for (const Candidate *one = first; one != last; ++one) {
            if (one + 1 != last) {
                prefetch(one[1].row);
            }
            if (one->upper < floor) {
                continue;
            }
            if (best.offer(score(one->row), one->row)) {
                floor = std::max(floor, units.floor_of_exact(best.worst()));
            }
        }
    }
};

} // namespace twinlens
