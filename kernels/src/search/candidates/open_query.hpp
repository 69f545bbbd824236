// open_query.hpp - one query between the scan and its answer: candidates, and those that are scored.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "search/candidates/candidate.hpp"
#include "search/candidates/kth_largest.hpp"
#include "search/candidates/ranking.hpp"
#include "search/candidates/score_windows.hpp"

namespace twinlens {

class OpenQuery {
  public:
    // Takes candidates in the order of rows, which stay where they are.
    void open(Candidate *first, Candidate *last) { left_ = {first, last}; }

    // Takes those of one more thread, in the order of rows.
    void join(const Candidate *first, const Candidate *last) {
        const auto middle = static_cast<std::ptrdiff_t>(joined_.size());
        joined_.insert(joined_.end(), first, last);
        std::inplace_merge(joined_.begin(), joined_.begin() + middle, joined_.end(),
                           [](const Candidate &a, const Candidate &b) { return a.row < b.row; });
        open(joined_.data(), joined_.data() + joined_.size());
    }

    const ToScore &left() const { return left_; }

    void drop_below(float floor) {
        left_.last = twinlens::drop_below(floor, left_.first, left_.last);
    }

    // Parts those with the k highest upper bounds from the others, to be scored first.
    ToScore part_likely(std::int64_t k, std::vector<float> &bounds) {
        if (left_.size() <= k) {
            return part_all();
        }
        bounds.clear();
        for (const Candidate *one = left_.first; one != left_.last; ++one) {
            bounds.push_back(one->upper);
        }
        const float from = kth_largest(bounds.data(), bounds.data() + bounds.size(), k);
        std::size_t n = 0;
        for (const Candidate *one = left_.first; one != left_.last; ++one) {
            n += one->upper < from ? 0 : 1;
        }
        likely_.resize(n + 1); // the last one is written, and does not count
        Candidate *to = likely_.data(), *rest = left_.first;
        for (const Candidate *one = left_.first; one != left_.last; ++one) {
            const Candidate moved = *one;
            const std::ptrdiff_t is_likely = moved.upper < from ? 0 : 1;
            *to = moved;
            *rest = moved;
            to += is_likely;
            rest += 1 - is_likely;
        }
        left_.last = rest;
        return scored_[0] = {likely_.data(), to};
    }

    // Parts all that are left, to be scored.
    ToScore part_all() {
        ToScore &last = scored_[scored_[0].size() == 0 ? 0 : 1];
        last = left_;
        left_.first = left_.last;
        return last;
    }

    // The worst of the scores so far if they are k or more, else minus infinity.
    double worst_score(std::int64_t k) const {
        double worst = std::numeric_limits<double>::infinity();
        for (const ToScore &part : scored_) {
            for (const Candidate *one = part.first; one != part.last; ++one) {
                worst = std::min(worst, one->score());
            }
        }
        const bool enough = scored_[0].size() + scored_[1].size() >= k;
        return enough ? worst : -std::numeric_limits<double>::infinity();
    }

    void append_scored(std::vector<Hit> &hits) const {
        std::size_t at = hits.size();
        hits.resize(at + static_cast<std::size_t>(scored_[0].size() + scored_[1].size()));
        for (const ToScore &part : scored_) {
            for (const Candidate *one = part.first; one != part.last; ++one) {
                hits[at++] = {one->score(), one->row};
            }
        }
    }

  private:
    ToScore left_, scored_[2];
    std::vector<Candidate> joined_, likely_;
};

} // namespace twinlens
