// refine_bounds.hpp - tighter bounds on candidates' scores, from the codes and their residual.
//
// Contract: the corpus has a residual; `work` has room for width numbers. In float64:
//
//     estimate = scale <q', c> + scale2 <q', c2>,   |error| <= |q'| left2 + rounding
//
// and the sums are off by at most (width + 64) 2^-52 |q'| (|scale c| + |scale2 c2|), which
// 2^-32 |q'| (|scale c| + left + left2) covers up to a width of 2^16.
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>

#include "search/candidates/candidate.hpp"
#include "search/coded_corpus.hpp"
#include "search/query_codes.hpp"
#include "support/prefetch.hpp"

namespace twinlens {

inline float outward(double bound, float toward) {
    const auto nearest = static_cast<float>(bound);
    return std::nextafter(nearest, toward);
}

inline void refine_bounds(const CodedCorpus &corpus, const KernelTable &kernels, const float *query,
                          const QueryUnits &units, Candidate *first, Candidate *last,
                          double *work) {
    constexpr float infinity = std::numeric_limits<float>::infinity();
    for (std::int64_t i = 0; i < corpus.width; ++i) {
        work[i] = static_cast<double>(query[i]) / units.unit;
    }
    for (Candidate *one = first; one != last; ++one) {
        if (one + 1 != last) {
            prefetch_bytes(corpus.codes + one[1].row * corpus.padded, corpus.width);
            prefetch_bytes(corpus.residual + one[1].row * corpus.padded, corpus.width);
        }
        const float *terms = corpus.terms + one->row * corpus.n_terms;
        const double estimate =
            static_cast<double>(terms[0]) *
                kernels.code_score(work, corpus.codes + one->row * corpus.padded, corpus.width) +
            static_cast<double>(terms[3]) *
                kernels.code_score(work, corpus.residual + one->row * corpus.padded, corpus.width);
        const double left = static_cast<double>(terms[4]);
        const double held = static_cast<double>(terms[1]) + static_cast<double>(terms[2]) + left;
        const double margin = units.length * (left + 0x1p-32 * held);
        const Candidate finer = Candidate::between(outward(estimate - margin, -infinity),
                                                   outward(estimate + margin, infinity), one->row);
        one->lower = std::max(one->lower, finer.lower);
        one->upper = std::min(one->upper, finer.upper);
    }
}

} // namespace twinlens
