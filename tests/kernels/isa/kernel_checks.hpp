// kernel_checks.hpp - each function of a kernel table by itself, against plain arithmetic.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#if defined(__x86_64__) || defined(_M_X64)
#include <xmmintrin.h>
#endif

#include "check.hpp"
#include "search/coded_corpus.hpp"
#include "search/kernel_table.hpp"

namespace check {

using namespace twinlens;

// The score as kernels/twinlens_kernels/reference.py defines it: products added by halving.
inline double halving_score(const float *query, const float *row, std::int64_t width) {
    std::vector<double> sums;
    for (std::int64_t i = 0; i < width; ++i) {
        sums.push_back(static_cast<double>(query[i]) * static_cast<double>(row[i]));
    }
    while (sums.size() > 1) {
        const std::size_t half = (sums.size() + 1) / 2;
        for (std::size_t i = half; i < sums.size(); ++i) {
            sums[i - half] += sums[i];
        }
        sums.resize(half);
    }
    return sums.front();
}

// A block of random codes and terms, among them the ends of the range.
struct RandomBlock {
    std::int64_t padded;
    Aligned<std::uint8_t> codes;
    std::vector<float> terms;

    explicit RandomBlock(std::int64_t padded_)
        : padded(padded_), codes((2 * block_rows) * padded), terms(3 * block_rows) {
        for (std::int64_t i = 0; i < block_rows * padded; ++i) {
            codes[i] = static_cast<std::uint8_t>(i < 2 * padded ? 255 : whole(0, 255));
        }
        for (float &term : terms) {
            term = std::fabs(normal());
        }
    }

    RowCodes rows() const { return {codes.data(), terms.data(), 3, padded}; }
    std::int64_t code(std::int64_t row, std::int64_t at) const { return codes[row * padded + at]; }
};

// Components of 16 queries in two planes, in the layouts of KernelTable::dots and dots_few. The
// first two lanes are at the ends of the range.
struct RandomPlanes {
    std::int64_t padded;
    std::vector<std::int64_t> components; // [plane][at][lane]
    Aligned<std::int8_t> packed, by_query;

    RandomPlanes(std::int64_t padded_, std::int64_t levels)
        : padded(padded_), components(static_cast<std::size_t>(2 * padded * lanes)),
          packed(2 * padded * lanes), by_query(2 * padded * lanes) {
        for (std::int64_t i = 0; i < 2 * padded * lanes; ++i) {
            const std::int64_t lane = i % lanes, at = i / lanes % padded,
                               plane = i / lanes / padded;
            const std::int64_t value = lane == 0   ? levels
                                       : lane == 1 ? -levels
                                                   : whole(-levels, levels);
            components[static_cast<std::size_t>(i)] = value;
            packed[plane * padded * lanes + at / 4 * 4 * lanes + lane * 4 + at % 4] =
                static_cast<std::int8_t>(value);
            by_query[(2 * lane + plane) * padded + at] = static_cast<std::int8_t>(value);
        }
    }

    std::int64_t dot(const RandomBlock &block, std::int64_t row, std::int64_t plane,
                     std::int64_t lane, std::int64_t centre) const {
        std::int64_t sum = 0;
        for (std::int64_t at = 0; at < padded; ++at) {
            sum += (block.code(row, at) - centre) *
                   components[static_cast<std::size_t>((plane * padded + at) * lanes + lane)];
        }
        return sum;
    }
};

inline void check_dots(const KernelTable &kernels, std::int64_t padded) {
    const RandomBlock block(padded);
    const RandomPlanes planes(padded, kernels.levels);
    const Prefetch prefetch{block.codes.data(), 4};
    Aligned<std::int32_t> dots(2 * block_rows * lanes), few(2 * block_rows * lanes);
    if (kernels.begin != nullptr) {
        kernels.begin();
    }
    kernels.dots(block.rows(), planes.packed.data(), prefetch, dots.data());
    kernels.dots_few(block.rows(), planes.by_query.data(), kernels.few_queries, prefetch,
                     few.data());
    Aligned<std::int32_t> one(block_rows * lanes);
    if (kernels.dots_one != nullptr) {
        kernels.dots_one(block.rows(), planes.packed.data(), prefetch, one.data());
    }
    if (kernels.end != nullptr) {
        kernels.end();
    }
    std::int64_t wrong = 0, wrong_few = 0, wrong_one = 0;
    for (std::int64_t i = 0; i < 2 * block_rows * lanes; ++i) {
        const std::int64_t lane = i % lanes, row = i / lanes % block_rows;
        const std::int64_t plane = i / lanes / block_rows;
        const std::int64_t dot = planes.dot(block, row, plane, lane, kernels.centred ? 128 : 0);
        wrong += dots[i] != dot;
        wrong_one += kernels.dots_one != nullptr && plane == 0 && one[i] != dot;
        wrong_few +=
            lane < kernels.few_queries && few[(2 * lane + plane) * block_rows + row] != dot;
    }
    expect(wrong == 0, "%s dots: %lld sums, %lld codes a row", kernels.name,
           static_cast<long long>(wrong), static_cast<long long>(padded));
    expect(wrong_one == 0, "%s dots_one: %lld sums, %lld codes a row", kernels.name,
           static_cast<long long>(wrong_one), static_cast<long long>(padded));
    expect(wrong_few == 0, "%s dots_few: %lld sums, %lld codes a row", kernels.name,
           static_cast<long long>(wrong_few), static_cast<long long>(padded));
}

// True if a pair is kept as it must be: surely if it reaches the floor, or cannot be compared;
// surely not if it is below by more than float32 rounds.
inline bool kept_rightly(bool kept, double estimate, double margin, double floor) {
    const double upper = estimate + margin;
    const double rounding = 1e-5 * (std::fabs(estimate) + std::fabs(margin));
    if (!(upper < floor - rounding)) {
        return kept || upper < floor + rounding;
    }
    return !kept;
}

// Random dot products and constants of 16 queries, with floors that all, some or no pairs reach.
struct RandomPairs {
    RandomBlock block;
    Lanes group{};
    Aligned<std::int32_t> dots, of_lane; // of_lane: the lane of the last call of one_lane

    explicit RandomPairs(std::int64_t padded)
        : block(padded), dots(2 * block_rows * lanes), of_lane(2 * block_rows) {
        block.terms[3 * 5] = std::numeric_limits<float>::infinity();
        block.terms[3 * 9 + 1] = std::numeric_limits<float>::quiet_NaN();
        for (std::int64_t lane = 0; lane < lanes; ++lane) {
            group.offset[0][lane] = static_cast<std::int32_t>(whole(-9999, 9999));
            group.offset[1][lane] = static_cast<std::int32_t>(whole(-9999, 9999));
            group.step[lane] = std::fabs(normal()) * 1e-3F;
            group.reach[lane] = std::fabs(normal());
            group.length[lane] = std::fabs(normal());
            group.floor[lane] = 300 * normal();
        }
        group.floor[3] = std::numeric_limits<float>::infinity();
        group.floor[4] = -std::numeric_limits<float>::infinity();
        for (std::int64_t i = 0; i < 2 * block_rows * lanes; ++i) {
            dots[i] = static_cast<std::int32_t>(whole(-999999, 999999));
        }
    }

    const std::int32_t *one_lane(std::int64_t lane) const {
        for (std::int64_t row = 0; row < 2 * block_rows; ++row) {
            of_lane[row] = dots[row * lanes + lane];
        }
        return of_lane.data();
    }

    // True if every row of a lane is among the pairs, or not, as it must be.
    bool right(const std::vector<CandidatePair> &pairs, float base, std::int64_t lane) const {
        bool all = true;
        for (std::int64_t row = 0; row < block_rows; ++row) {
            const double high = dots[row * lanes + lane] - group.offset[0][lane];
            const double low = dots[(block_rows + row) * lanes + lane] - group.offset[1][lane];
            const double dot = base == 0 ? high : high * static_cast<double>(base) + low;
            const float *terms = block.terms.data() + 3 * row;
            const double estimate =
                static_cast<double>(terms[0]) * (static_cast<double>(group.step[lane]) * dot);
            const double margin = static_cast<double>(group.reach[lane] * terms[2]) +
                                  static_cast<double>(group.length[lane] * terms[1]);
            const CandidatePair *found = nullptr;
            for (const CandidatePair &pair : pairs) {
                if (pair.row == row && pair.lane == lane) {
                    all = all && found == nullptr;
                    found = &pair;
                }
            }
            const bool close = found == nullptr || !std::isfinite(estimate) ||
                               std::fabs(static_cast<double>(found->estimate) - estimate) <=
                                   1e-5 * std::fabs(estimate) + 1e-3;
            all = all && close &&
                  kept_rightly(found != nullptr, estimate, margin,
                               static_cast<double>(group.floor[lane]));
        }
        return all;
    }
};

inline void check_prune(const KernelTable &kernels, std::int64_t padded) {
    const RandomPairs random(padded);
    for (const float base : {0.0F, 64.0F, 128.0F}) {
        std::vector<CandidatePair> pairs(static_cast<std::size_t>(block_rows * lanes));
        pairs.resize(static_cast<std::size_t>(kernels.prune(
            random.dots.data(), base, random.block.rows(), random.group, pairs.data())));
        expect(std::is_sorted(
                   pairs.begin(), pairs.end(),
                   [](const CandidatePair &a, const CandidatePair &b) { return a.row < b.row; }),
               "%s prune: pairs out of the order of rows", kernels.name);
        for (std::int64_t lane = 0; lane < lanes; ++lane) {
            expect(random.right(pairs, base, lane), "%s prune: lane %lld, base %g", kernels.name,
                   static_cast<long long>(lane), static_cast<double>(base));
            if (base == 0) {
                continue;
            }
            std::vector<CandidatePair> few(static_cast<std::size_t>(block_rows));
            few.resize(static_cast<std::size_t>(kernels.prune_few(
                random.one_lane(lane), base, random.block.rows(), random.group, lane, few.data())));
            expect(random.right(few, base, lane), "%s prune_few: lane %lld, base %g", kernels.name,
                   static_cast<long long>(lane), static_cast<double>(base));
        }
    }
}

inline void check_code_score(const KernelTable &kernels) {
    for (const std::int64_t width : {1, 15, 16, 17, 64, 200}) {
        std::vector<double> query;
        std::vector<std::uint8_t> codes;
        double wanted = 0, size = 0;
        for (std::int64_t i = 0; i < width; ++i) {
            query.push_back(static_cast<double>(normal()));
            codes.push_back(static_cast<std::uint8_t>(whole(0, 255)));
            wanted += query.back() * (codes.back() - 128);
            size += std::fabs(query.back() * (codes.back() - 128));
        }
        const double got = kernels.code_score(query.data(), codes.data(), width);
        expect(std::fabs(got - wanted) <= 1e-14 * size, "%s code_score: width %lld", kernels.name,
               static_cast<long long>(width));
    }
}

// The bound of estimate_row.hpp, for either type and rows of any length; infinity beyond.
template <typename Number, typename Estimate>
inline void check_estimates(const KernelTable &kernels, Estimate *estimate, double roundoff) {
    for (const std::int64_t width : {1, 31, 32, 33, 200, 512}) {
        for (const double size : {1e-3, 1.0, 1e5, 0.0, 1e30}) {
            constexpr std::int64_t n = 3;
            std::vector<Number> row, queries;
            double squared = 0, squares[n] = {}, dots[n] = {};
            for (std::int64_t i = 0; i < width; ++i) {
                row.push_back(static_cast<Number>(size * (0.1 + static_cast<double>(normal()))));
                squared += static_cast<double>(row.back()) * static_cast<double>(row.back());
            }
            for (std::int64_t at = 0; at < n * width; ++at) {
                queries.push_back(static_cast<Number>(normal()));
                const double number = static_cast<double>(queries.back());
                squares[at / width] += number * number;
                dots[at / width] +=
                    number * static_cast<double>(row[static_cast<std::size_t>(at % width)]);
            }
            float got[n];
            estimate(row.data(), queries.data(), n, width, got);
            const bool told = squared > 0 && (sizeof(Number) == 8 || size < 1e10);
            for (std::int64_t query = 0; query < n; ++query) {
                const double length = std::sqrt(squares[query]);
                const double most =
                    (1.5 * (static_cast<double>(width) / 32 + 40) * roundoff + 0x1p-24) * length;
                const double wanted = told ? dots[query] / std::sqrt(squared) : 0;
                expect(told ? std::fabs(static_cast<double>(got[query]) - wanted) <= most
                            : got[query] > 3e38F,
                       "%s estimate_row: width %lld, size %g", kernels.name,
                       static_cast<long long>(width), size);
            }
        }
    }
}

// Scores of one row with several others, to the bit; of widths that some sets sum in registers,
// too.
inline void check_exact_scores(const KernelTable &kernels) {
    for (const std::int64_t width : {1, 2, 63, 65, 200, 512, 640, 768, 1000, 1024, 1152, 1280}) {
        const std::vector<float> one = normals(width), others = normals(17 * width);
        std::vector<const float *> rows;
        for (std::int64_t n = 0; n < 17; ++n) {
            rows.push_back(others.data() + n * width);
        }
        std::vector<double> work(static_cast<std::size_t>(2 * width));
        for (const std::int64_t n : {1, 7, 8, 17}) {
            std::vector<double> wanted, got(static_cast<std::size_t>(n));
            for (std::int64_t i = 0; i < n; ++i) {
                wanted.push_back(
                    halving_score(one.data(), rows[static_cast<std::size_t>(i)], width));
            }
            kernels.exact_scores(one.data(), rows.data(), n, width, one.data(), work.data(),
                                 got.data());
            bool same = same_bits(got, wanted);
            for (std::int64_t i = 0; i < n; ++i) {
                const auto at = static_cast<std::size_t>(i);
                same = same &&
                       wanted[at] == kernels.exact_score(one.data(), rows[at], width, work.data());
            }
            expect(same, "%s exact_scores: %lld of width %lld", kernels.name,
                   static_cast<long long>(n), static_cast<long long>(width));
        }
    }
}

// The promises of EXACTNESS.md: terms[1] is at least the length of what the codes leave, terms[2]
// at least that of scale * codes, terms[4] of what the residual leaves; and none is loose.
inline void check_terms(const float *rows, std::int64_t n, std::int64_t width, const float *centre,
                        const CodedCorpus &corpus, const KernelTable &kernels) {
    bool holds = true;
    for (std::int64_t row = 0; row < n; ++row) {
        const float *terms = corpus.terms + row * corpus.n_terms;
        double left = 0, held = 0, rest = 0, length = 0;
        for (std::int64_t i = 0; i < width; ++i) {
            const std::int64_t at = row * corpus.padded + i;
            const double whole_part = static_cast<double>(terms[0]) * (corpus.codes[at] - 128);
            const double exact =
                static_cast<double>(rows[row * width + i]) - static_cast<double>(centre[i]);
            length += exact * exact;
            held += whole_part * whole_part;
            left += (exact - whole_part) * (exact - whole_part);
            if (corpus.residual != nullptr) {
                const double second = static_cast<double>(terms[3]) * (corpus.residual[at] - 128);
                rest += (exact - whole_part - second) * (exact - whole_part - second);
            }
        }
        const double tiny = 1e-14 * std::sqrt(length) + 2e-44;
        const auto bounds = [tiny](float term, double squares) {
            const double size = std::sqrt(squares);
            return static_cast<double>(term) >= size - tiny &&
                   static_cast<double>(term) <= size * 1.000001 + 2 * tiny;
        };
        holds = holds && bounds(terms[1], left) && bounds(terms[2], held) &&
                (corpus.residual == nullptr || bounds(terms[4], rest));
        for (std::int64_t i = width; i < corpus.padded; ++i) {
            holds = holds && corpus.codes[row * corpus.padded + i] == 128;
        }
    }
    expect(holds, "%s encode_row: terms of rows of width %lld", kernels.name,
           static_cast<long long>(width));
}

// While it lives, the thread flushes subnormal numbers to zero and rounds upwards, as other
// libraries may leave it.
class FlushingMode {
  public:
    explicit FlushingMode(bool on) {
        if (on) {
            set(flush_and_round_up);
        }
    }
    ~FlushingMode() { set(ieee); }
    FlushingMode(const FlushingMode &) = delete;
    FlushingMode &operator=(const FlushingMode &) = delete;

  private:
#if defined(__x86_64__) || defined(_M_X64)
    static constexpr unsigned ieee = 0x1f80, flush_and_round_up = ieee | 0x8040 | 0x4000; // MXCSR
    static void set(unsigned mode) { _mm_setcsr(mode); }
#elif defined(__aarch64__) && defined(__GNUC__)
    static constexpr std::uint64_t ieee = 0, flush_and_round_up = 0x1400000; // FPCR
    static void set(std::uint64_t mode) { __asm__ volatile("msr fpcr, %0" : : "r"(mode)); }
#else
    static constexpr int ieee = 0, flush_and_round_up = 0;
    static void set(int) {}
#endif
};

} // namespace check
