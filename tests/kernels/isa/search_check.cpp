// search_check.cpp - the search, by every instruction set that runs here, against brute force.

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <new>
#include <thread>
#include <vector>

#include "check.hpp"
#include "kernel_checks.hpp"
#include "search/coded_range.hpp"
#include "search/coded_topk.hpp"
#include "search/dispatch.hpp"
#include "search/encode.hpp"
#include "search/score_pairs.hpp"
#include "search/update_topk_tile.hpp"
#include "search_problem.hpp"
#include "support/parallel.hpp"

namespace twinlens {
extern const KernelTable emulated_amx_kernels;
} // namespace twinlens

namespace {

using namespace twinlens;
using check::brute_force;
using check::CodedProblem;
using check::Problem;
using check::Scored;
using check::whole;

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr int kinds = 6; // of problems

// The tables that run here, and that of AMX with its tiles emulated where the rest of it runs.
std::vector<const KernelTable *> &tables() {
    static std::vector<const KernelTable *> all = [] {
        std::vector<const KernelTable *> found = kernel_tables();
#if defined(TWINLENS_EMULATED_AMX)
        if (cpu::first_missing("avx512vnni").empty()) {
            found.push_back(&emulated_amx_kernels);
        }
#endif
        return found;
    }();
    return all;
}

void check_topk(const Problem &problem, const CodedProblem &coded, const KernelTable &kernels,
                const std::vector<std::vector<Scored>> &truth, std::int64_t k,
                std::int64_t threads) {
    std::vector<std::int64_t> ids(static_cast<std::size_t>(problem.queries * k));
    std::vector<double> scores(ids.size());
    {
        const check::FlushingMode mode(problem.flushing);
        coded_topk(coded.corpus, problem.asked.data(), problem.queries, problem.centre.data(),
                   {ids.data(), scores.data(), k}, false, kernels, threads);
    }
    bool same = true;
    for (std::int64_t query = 0; query < problem.queries; ++query) {
        for (std::int64_t hit = 0; hit < k; ++hit) {
            const auto at = static_cast<std::size_t>(query * k + hit);
            const Scored &wanted =
                truth[static_cast<std::size_t>(query)][static_cast<std::size_t>(hit)];
            same = same && ids[at] == wanted.id && scores[at] == wanted.score;
        }
    }
    check::expect(same, "%s topk: width %lld, %lld rows, %lld queries, k %lld, %lld threads",
                  kernels.name, static_cast<long long>(problem.width),
                  static_cast<long long>(problem.n), static_cast<long long>(problem.queries),
                  static_cast<long long>(k), static_cast<long long>(threads));
}

void check_range(const Problem &problem, const CodedProblem &coded, const KernelTable &kernels,
                 const std::vector<std::vector<Scored>> &truth, std::int64_t threads) {
    // Floors that lie on a score to the bit, above all of them, and below.
    std::vector<double> floors;
    for (const std::vector<Scored> &all : truth) {
        const std::int64_t at = whole(0, static_cast<std::int64_t>(all.size()) - 1);
        floors.push_back(
            check::one_of({all[static_cast<std::size_t>(at)].score,
                           all[static_cast<std::size_t>(at)].score, infinity, -infinity}));
    }
    const RangeHits hits = [&] {
        const check::FlushingMode mode(problem.flushing);
        return coded_range(coded.corpus, problem.asked.data(), problem.queries,
                           problem.centre.data(), floors.data(), kernels, threads);
    }();
    std::vector<std::vector<Scored>> got(truth.size());
    for (std::size_t i = 0; i < hits.ids.size(); ++i) {
        got[static_cast<std::size_t>(hits.of_query[i])].push_back({hits.ids[i], hits.scores[i]});
    }
    for (std::size_t query = 0; query < truth.size(); ++query) {
        std::sort(got[query].begin(), got[query].end(), [](const Scored &a, const Scored &b) {
            return a.score > b.score || (a.score == b.score && a.id < b.id);
        });
        std::size_t wanted = 0;
        while (wanted < truth[query].size() && truth[query][wanted].score >= floors[query]) {
            ++wanted;
        }
        bool same = got[query].size() == wanted;
        for (std::size_t i = 0; same && i < wanted; ++i) {
            same = got[query][i].id == truth[query][i].id &&
                   got[query][i].score == truth[query][i].score;
        }
        check::expect(same, "%s range: width %lld, %lld rows, query %lld of %lld", kernels.name,
                      static_cast<long long>(problem.width), static_cast<long long>(problem.n),
                      static_cast<long long>(query), static_cast<long long>(problem.queries));
    }
}

void check_score_pairs(const Problem &problem, const KernelTable &kernels) {
    std::vector<std::int64_t> ids;
    std::vector<double> wanted;
    for (std::int64_t query = 0; query < problem.queries; ++query) {
        for (int column = 0; column < 3; ++column) {
            ids.push_back(whole(0, problem.n - 1));
            wanted.push_back(
                check::halving_score(problem.query(query), problem.row(ids.back()), problem.width));
        }
    }
    std::vector<double> got(wanted.size());
    score_pairs(problem.asked.data(), problem.rows.data(), problem.width, ids.data(),
                problem.queries, 3, got.data(), kernels, 2);
    check::expect(check::same_bits(got, wanted), "%s score_pairs: width %lld", kernels.name,
                  static_cast<long long>(problem.width));
}

// The tiled search, which has no instruction set of its own but is compiled for every target.
void check_tile(const Problem &problem, const std::vector<std::vector<Scored>> &truth,
                std::int64_t k) {
    const auto n_queries = static_cast<std::size_t>(problem.queries);
    std::vector<float> scores, lengths, reach(n_queries);
    for (std::int64_t query = 0; query < problem.queries; ++query) {
        double length = 0;
        for (std::int64_t i = 0; i < problem.width; ++i) {
            length += std::fabs(static_cast<double>(problem.query(query)[i]));
        }
        reach[static_cast<std::size_t>(query)] = static_cast<float>(length) * 0x1p-18F;
        for (std::int64_t row = 0; row < problem.n; ++row) {
            scores.push_back(static_cast<float>(
                check::halving_score(problem.query(query), problem.row(row), problem.width)));
        }
    }
    for (std::int64_t row = 0; row < problem.n; ++row) {
        double length = 0;
        for (std::int64_t i = 0; i < problem.width; ++i) {
            length += std::fabs(static_cast<double>(problem.row(row)[i]));
        }
        lengths.push_back(static_cast<float>(length));
    }
    const std::vector<double> units(n_queries, 1);
    std::vector<double> best(n_queries * static_cast<std::size_t>(k), -infinity);
    std::vector<std::int64_t> ids(best.size(), std::numeric_limits<std::int64_t>::max());
    update_topk_tile(
        {problem.asked.data(), scores.data(), reach.data(), units.data(), problem.queries},
        {problem.rows.data(), lengths.data(), problem.n, problem.width, 0}, best.data(), ids.data(),
        k, 2);
    for (std::size_t query = 0; query < n_queries; ++query) {
        const std::size_t first = query * static_cast<std::size_t>(k);
        std::vector<Scored> got;
        for (std::size_t i = first; i < first + static_cast<std::size_t>(k); ++i) {
            got.push_back({ids[i], best[i]});
        }
        std::sort(got.begin(), got.end(), [](const Scored &a, const Scored &b) {
            return a.score > b.score || (a.score == b.score && a.id < b.id);
        });
        bool same = true;
        for (std::size_t i = 0; i < got.size(); ++i) {
            same = same && got[i].id == truth[query][i].id && got[i].score == truth[query][i].score;
        }
        check::expect(same, "tile: width %lld, %lld rows", static_cast<long long>(problem.width),
                      static_cast<long long>(problem.n));
    }
}

void check_problem(Problem &problem, int kind, bool finer, bool barred) {
    if (barred) {
        problem.bar_some();
    }
    std::vector<std::vector<Scored>> truth;
    for (std::int64_t query = 0; query < problem.queries; ++query) {
        truth.push_back(brute_force(problem, query));
    }
    const std::int64_t k =
        std::min(problem.n_allowed(), check::one_of<std::int64_t>({1, 2, 10, 40}));
    const std::int64_t threads = whole(1, 3);
    for (const KernelTable *kernels : tables()) {
        const CodedProblem coded(problem, *kernels, finer, threads);
        if (kind != 1) {
            check::check_terms(problem.rows.data(), problem.n, problem.width, problem.centre.data(),
                               coded.corpus, *kernels);
        }
        check_topk(problem, coded, *kernels, truth, k, threads);
        check_range(problem, coded, *kernels, truth, threads);
        check_score_pairs(problem, *kernels);
    }
    if (!barred && kind >= 4) {
        check_tile(problem, truth, k);
    }
}

// Rows of which every eighth, among them all of the sample (sampled_floors.hpp), are the best, the
// worst, or as the others: a guess of the floors that is too high, too low, or good.
void check_guess(float lift, std::int64_t queries, std::int64_t k) {
    Problem problem(9, 8192, queries, 5);
    for (std::int64_t row = 0; row < problem.n; row += 8) {
        problem.rows[static_cast<std::size_t>(row * problem.width)] += lift;
    }
    for (std::int64_t query = 0; query < queries; ++query) {
        float &first = problem.asked[static_cast<std::size_t>(query * problem.width)];
        first = std::fabs(first) + 1;
    }
    std::vector<std::vector<Scored>> truth;
    for (std::int64_t query = 0; query < queries; ++query) {
        truth.push_back(brute_force(problem, query));
    }
    for (const KernelTable *kernels : tables()) {
        const CodedProblem coded(problem, *kernels, lift == 0, 2);
        for (const std::int64_t threads : {1, 3}) {
            check_topk(problem, coded, *kernels, truth, k, threads);
        }
    }
}

// Queries enough that each of several threads takes some of them (query_parts.hpp).
void check_shared_queries() {
    const Problem problem(5, 9000, 50, 0);
    std::vector<std::vector<Scored>> truth;
    for (std::int64_t query = 0; query < problem.queries; ++query) {
        truth.push_back(brute_force(problem, query));
    }
    for (const KernelTable *kernels : tables()) {
        const CodedProblem coded(problem, *kernels, false, 2);
        for (const std::int64_t threads : {1, 2, 3}) {
            check_topk(problem, coded, *kernels, truth, 70, threads);
        }
    }
}

// Callers that share the workers: every item is done once, and no two at once by one worker.
void check_workers() {
    constexpr std::int64_t n = 100, threads = 3;
    const auto call = [](std::int64_t turn, std::atomic<std::int64_t> &faults) {
        std::vector<std::atomic<int>> done(n), at_work(threads);
        bool failed = false;
        try {
            parallel_for(n, threads, [&](std::int64_t item, std::int64_t worker) {
                faults += at_work[static_cast<std::size_t>(worker)]++ == 0 ? 0 : 1;
                parallel_for(2, 2, [&](std::int64_t, std::int64_t) {
                    ++done[static_cast<std::size_t>(item)];
                });
                --at_work[static_cast<std::size_t>(worker)];
                if (turn % 4 == 3 && item == turn % n) {
                    throw std::bad_alloc();
                }
            });
        } catch (const std::bad_alloc &) {
            failed = true;
        }
        faults += failed == (turn % 4 == 3) ? 0 : 1;
        for (const std::atomic<int> &times : done) {
            faults += times == 2 || (failed && times == 0) ? 0 : 1;
        }
    };
    std::atomic<std::int64_t> faults{0};
    std::vector<std::thread> callers;
    for (std::int64_t caller = 0; caller < 4; ++caller) {
        callers.emplace_back([&, caller] {
            for (std::int64_t turn = 0; turn < 50; ++turn) {
                call(caller + turn, faults);
            }
        });
    }
    for (std::thread &caller : callers) {
        caller.join();
    }
    check::expect(faults == 0, "parallel_for: %lld faults", static_cast<long long>(faults));
}

// A row that is not finite is named, and nothing is said of those behind it.
void check_refusal(const KernelTable &kernels) {
    constexpr std::int64_t width = 70, n = 40, padded = 128;
    for (const float bad :
         {std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN()}) {
        std::vector<float> rows = check::normals(n * width);
        rows[17 * width + 69] = rows[31 * width] = bad;
        const std::vector<float> centre(width);
        std::vector<float> terms(3 * n);
        check::Aligned<std::uint8_t> codes(n * padded);
        const std::int64_t first =
            encode(rows.data(), n, width, centre.data(),
                   {codes.data(), nullptr, terms.data(), padded}, kernels, 2);
        check::expect(first == 17, "%s encode: row %lld is named, wanted 17", kernels.name,
                      static_cast<long long>(first));
    }
}

// Whatever a random problem may be; the round decides which kind, so that each comes as often.
void check_random_problem(std::int64_t round) {
    const int kind = static_cast<int>(round % kinds);
    Problem problem(check::one_of<std::int64_t>({1, 2, 3, 15, 17, 63, 64, 65, 130, 192}),
                    check::one_of<std::int64_t>({1, 2, 63, 64, 65, 129, 200}),
                    check::one_of<std::int64_t>({1, 2, 3, 4, 5, 15, 16, 17, 33}), kind);
    check_problem(problem, kind, round % 4 < 2, round % 5 == 0);
}

// Problems of the rounds first .. last, each from a seed of its own: a campaign, which may be cut.
void check_rounds(std::int64_t first, std::int64_t last) {
    constexpr std::int64_t a_guess = 40; // rounds, of which one has rows enough for a sample
    for (std::int64_t round = first; round < last; ++round) {
        check::generator().seed(static_cast<std::uint64_t>(round));
        if (round % a_guess == 0) {
            check_guess(check::one_of({30.0F, -30.0F, 0.0F}), whole(1, 20), whole(60, 1000));
        } else {
            check_random_problem(round);
        }
    }
}

void check_whole() {
    for (const KernelTable *kernels : tables()) {
        for (const std::int64_t padded : {64, 128, 192, 1088}) {
            check::check_dots(*kernels, padded);
            check::check_prune(*kernels, padded);
        }
        check::check_code_score(*kernels);
        check::check_estimates<float>(*kernels, kernels->estimate_row32, 0x1p-24);
        check::check_estimates<double>(*kernels, kernels->estimate_row64, 0x1p-53);
        check::check_exact_scores(*kernels);
        check_refusal(*kernels);
    }
    for (int round = kinds; round < 60; ++round) {
        check_random_problem(round);
    }
    // Several parts for several threads; and a width whose sums need many steps.
    Problem many(5, 9000, 3, 0), wide(2500, 70, 18, 5);
    check_problem(many, 0, false, true);
    check_problem(wide, 5, true, false);
    check_shared_queries();
    check_workers();
    for (const float lift : {30.0F, -30.0F, 0.0F}) {
        check_guess(lift, 1, 1000);
        check_guess(lift, 18, 60);
    }
    for (const std::int64_t queries : {1, 3, 20}) {
        Problem subnormal(33, 300, queries, 2);
        subnormal.flushing = true;
        check_problem(subnormal, 2, queries == 3, false);
    }
}

// A problem of each kind by every set, the rest by those that are checked whole.
void check_all() {
    for (int round = 0; round < kinds; ++round) {
        check_random_problem(round);
    }
    const auto brief = [](const KernelTable *kernels) { return !check::is_whole(kernels->name); };
    tables().erase(std::remove_if(tables().begin(), tables().end(), brief), tables().end());
    if (!tables().empty()) {
        check_whole();
    }
}

} // namespace

// search_check, or search_check FIRST LAST for the rounds of a campaign alone.
int main(int count, char **words) {
    check::read_sets(count, words);
    check::report_sets(search_sets());
    std::printf("%s the tiles of AMX\n",
                tables().size() > kernel_tables().size() ? "emulates" : "has not");
    if (count == 3) {
        check_rounds(std::atoll(words[1]), std::atoll(words[2]));
    } else {
        check_all();
    }
    return check::finish();
}
