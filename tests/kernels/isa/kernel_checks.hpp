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

inline void check_dots(const KernelTable &kernels, std::int64_t padded) {
    const RandomBlock block(padded);
    const std::int64_t levels = kernels.levels, queries = kernels.few_queries;
    const std::int64_t centre = kernels.centred ? 128 : 0;
    // [plane][at][lane]; the first lanes are at the ends of the range.
    std::vector<std::int64_t> numbers(static_cast<std::size_t>(2 * padded * lanes));
    Aligned<std::int8_t> packed(2 * padded * lanes), rows_of_numbers(2 * padded * lanes);
    const auto number = [&](std::int64_t plane, std::int64_t at, std::int64_t lane) -> auto & {
        return numbers[static_cast<std::size_t>((plane * padded + at) * lanes + lane)];
    };
    for (std::int64_t plane = 0; plane < 2; ++plane) {
        for (std::int64_t at = 0; at < padded; ++at) {
            for (std::int64_t lane = 0; lane < lanes; ++lane) {
                const std::int64_t value = lane == 0   ? levels
                                           : lane == 1 ? -levels
                                                       : whole(-levels, levels);
                number(plane, at, lane) = value;
                packed[plane * padded * lanes + at / 4 * 4 * lanes + lane * 4 + at % 4] =
                    static_cast<std::int8_t>(value);
                rows_of_numbers[(2 * lane + plane) * padded + at] = static_cast<std::int8_t>(value);
            }
        }
    }
    Aligned<std::int32_t> dots(2 * block_rows * lanes), few(2 * block_rows * lanes);
    const Prefetch prefetch{block.codes.data(), 4};
    if (kernels.begin != nullptr) {
        kernels.begin();
    }
    kernels.dots(block.rows(), packed.data(), prefetch, dots.data());
    kernels.dots_few(block.rows(), rows_of_numbers.data(), queries, prefetch, few.data());
    if (kernels.end != nullptr) {
        kernels.end();
    }
    std::int64_t wrong = 0, wrong_few = 0;
    for (std::int64_t plane = 0; plane < 2; ++plane) {
        for (std::int64_t row = 0; row < block_rows; ++row) {
            for (std::int64_t lane = 0; lane < lanes; ++lane) {
                std::int64_t sum = 0;
                for (std::int64_t at = 0; at < padded; ++at) {
                    sum += (block.code(row, at) - centre) * number(plane, at, lane);
                }
                wrong += dots[(plane * block_rows + row) * lanes + lane] != sum;
                if (lane < queries) {
                    wrong_few += few[(2 * lane + plane) * block_rows + row] != sum;
                }
            }
        }
    }
    expect(wrong == 0, "%s dots: %lld sums, %lld codes a row", kernels.name,
           static_cast<long long>(wrong), static_cast<long long>(padded));
    expect(wrong_few == 0, "%s dots_few: %lld sums, %lld codes a row", kernels.name,
           static_cast<long long>(wrong_few), static_cast<long long>(padded));
}

// Whether a pair is kept as it must be: surely if it reaches the floor, or cannot be compared;
// surely not if it is below by more than float32 rounds.
inline bool kept_rightly(bool kept, double estimate, double margin, double floor) {
    const double upper = estimate + margin;
    const double rounding = 1e-5 * (std::fabs(estimate) + std::fabs(margin));
    if (!(upper < floor - rounding)) {
        return kept || upper < floor + rounding;
    }
    return !kept;
}

inline void check_prune(const KernelTable &kernels, std::int64_t padded) {
    RandomBlock block(padded);
    block.terms[3 * 5] = std::numeric_limits<float>::infinity();
    block.terms[3 * 9 + 1] = std::numeric_limits<float>::quiet_NaN();
    Lanes group{};
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
    Aligned<std::int32_t> dots(2 * block_rows * lanes), of_lane(2 * block_rows);
    for (std::int64_t i = 0; i < 2 * block_rows * lanes; ++i) {
        dots[i] = static_cast<std::int32_t>(whole(-999999, 999999));
    }
    std::vector<CandidatePair> pairs(static_cast<std::size_t>(block_rows * lanes));
    for (const float base : {0.0F, 64.0F, 128.0F}) {
        const std::int64_t count =
            kernels.prune(dots.data(), base, block.rows(), group, pairs.data());
        std::vector<CandidatePair> few(static_cast<std::size_t>(block_rows));
        for (std::int64_t lane = 0; lane < lanes; ++lane) {
            std::int64_t few_count = 0;
            if (base != 0) {
                for (std::int64_t row = 0; row < block_rows; ++row) {
                    of_lane[row] = dots[row * lanes + lane];
                    of_lane[block_rows + row] = dots[(block_rows + row) * lanes + lane];
                }
                few_count =
                    kernels.prune_few(of_lane.data(), base, block.rows(), group, lane, few.data());
            }
            bool right = true, right_few = true;
            for (std::int64_t row = 0; row < block_rows; ++row) {
                const double high = dots[row * lanes + lane] - group.offset[0][lane];
                const double low = dots[(block_rows + row) * lanes + lane] - group.offset[1][lane];
                const double dot = base == 0 ? high : high * static_cast<double>(base) + low;
                const float *terms = block.terms.data() + 3 * row;
                const double estimate =
                    static_cast<double>(terms[0]) * (static_cast<double>(group.step[lane]) * dot);
                const double margin = static_cast<double>(group.reach[lane] * terms[2]) +
                                      static_cast<double>(group.length[lane] * terms[1]);
                const auto is_it = [&](const CandidatePair &pair) {
                    return pair.row == row && pair.lane == lane;
                };
                const auto good = [&](const std::vector<CandidatePair> &all, std::int64_t n) {
                    const auto last = all.begin() + n;
                    const auto found = std::find_if(all.begin(), last, is_it);
                    const bool close = found == last || !std::isfinite(estimate) ||
                                       std::fabs(static_cast<double>(found->estimate) - estimate) <=
                                           1e-5 * std::fabs(estimate) + 1e-3;
                    return close && std::count_if(all.begin(), last, is_it) <= 1 &&
                           kept_rightly(found != last, estimate, margin,
                                        static_cast<double>(group.floor[lane]));
                };
                right = right && good(pairs, count);
                right_few = right_few && (base == 0 || good(few, few_count));
            }
            expect(right, "%s prune: lane %lld, base %g", kernels.name,
                   static_cast<long long>(lane), static_cast<double>(base));
            expect(right_few, "%s prune_few: lane %lld, base %g", kernels.name,
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
