// search_problem.hpp - corpora and queries that are hard for a search, and their brute force.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "check.hpp"
#include "kernel_checks.hpp"
#include "search/encode.hpp"

namespace check {

// A corpus and queries, of one of several kinds that rounding or ties make hard.
struct Problem {
    std::int64_t width, n, queries;
    std::vector<float> rows, asked, centre;
    std::vector<std::uint8_t> allowed;
    bool flushing = false; // the caller's thread flushes subnormal numbers

    Problem(std::int64_t width_, std::int64_t n_, std::int64_t queries_, int kind)
        : width(width_), n(n_), queries(queries_), rows(normals(n * width)),
          asked(normals(queries * width)), centre(static_cast<std::size_t>(width)),
          allowed(static_cast<std::size_t>(n), 1) {
        make_hard(kind);
        for (std::int64_t i = 0; i < width; ++i) {
            double sum = 0;
            for (std::int64_t row = 0; row < n; ++row) {
                sum += rows[static_cast<std::size_t>(row * width + i)];
            }
            centre[static_cast<std::size_t>(i)] = static_cast<float>(sum / static_cast<double>(n));
        }
    }

    void make_hard(int kind) {
        switch (kind % 6) {
        case 0: // duplicates, and rows one step of a float apart
            for (std::int64_t i = 0; i < n * width; ++i) {
                const float other = rows[static_cast<std::size_t>(
                    i % std::max<std::int64_t>(width, n * width / 3))];
                rows[static_cast<std::size_t>(i)] =
                    whole(0, 20) == 0 ? std::nextafter(other, 9.0F) : other;
            }
            break;
        case 1: // numbers of all sizes
            for (float &number : rows) {
                number = std::ldexp(number, static_cast<int>(whole(-140, 120)));
            }
            break;
        case 2: // subnormal
            for (float &number : rows) {
                number = std::ldexp(number, -140);
            }
            break;
        case 3: // ascending: every row replaces a hit
            for (std::int64_t i = 0; i < n * width; ++i) {
                rows[static_cast<std::size_t>(i)] = static_cast<float>(i / width) / 7;
            }
            for (float &number : asked) {
                number = std::fabs(number);
            }
            break;
        case 4: // zeros
            std::fill(rows.begin(), rows.begin() + n / 2 * width, 0.0F);
            std::fill(asked.begin(), asked.begin() + width, 0.0F);
            break;
        default:
            break;
        }
    }

    const float *row(std::int64_t at) const { return rows.data() + at * width; }
    const float *query(std::int64_t at) const { return asked.data() + at * width; }

    void bar_some() {
        for (std::uint8_t &one : allowed) {
            one = static_cast<std::uint8_t>(whole(0, 2) != 0);
        }
        allowed[static_cast<std::size_t>(whole(0, n - 1))] = 1;
    }

    std::int64_t n_allowed() const { return std::count(allowed.begin(), allowed.end(), 1); }
};

struct Scored {
    std::int64_t id;
    double score;
};

// All allowed rows, best first; of equal scores the lower row first.
inline std::vector<Scored> brute_force(const Problem &problem, std::int64_t query) {
    std::vector<Scored> all;
    for (std::int64_t row = 0; row < problem.n; ++row) {
        if (problem.allowed[static_cast<std::size_t>(row)] != 0) {
            all.push_back(
                {row, halving_score(problem.query(query), problem.row(row), problem.width)});
        }
    }
    std::stable_sort(all.begin(), all.end(),
                     [](const Scored &a, const Scored &b) { return a.score > b.score; });
    return all;
}

// The codes of a problem's rows by one table, and the corpus that they make.
struct CodedProblem {
    std::int64_t padded, n_terms;
    Aligned<std::uint8_t> codes, residual;
    std::vector<float> terms;
    CodedCorpus corpus;

    CodedProblem(const Problem &problem, const KernelTable &kernels, bool finer,
                 std::int64_t threads)
        : padded((problem.width + 63) / 64 * 64), n_terms(finer ? 5 : 3), codes(problem.n * padded),
          residual(problem.n * padded), terms(static_cast<std::size_t>(problem.n * n_terms)) {
        const std::int64_t bad =
            encode(problem.rows.data(), problem.n, problem.width, problem.centre.data(),
                   {codes.data(), finer ? residual.data() : nullptr, terms.data(), padded}, kernels,
                   threads);
        expect(bad == -1, "%s encode: refuses row %lld", kernels.name, static_cast<long long>(bad));
        const bool all = problem.n_allowed() == problem.n;
        corpus = {problem.rows.data(),
                  codes.data(),
                  finer ? residual.data() : nullptr,
                  terms.data(),
                  all ? nullptr : reinterpret_cast<const bool *>(problem.allowed.data()),
                  problem.n,
                  problem.width,
                  padded,
                  n_terms};
    }
};

} // namespace check
