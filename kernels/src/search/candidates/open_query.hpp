// open_query.hpp - one query between the scan and its answer: candidates, and those that are
// scored.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

#include "search/candidates/candidate.hpp"
#include "search/candidates/kth_largest.hpp"
#include "search/candidates/ranking.hpp"
#include "search/candidates/score_windows.hpp"

namespace twinlens {

class OpenQuery {
  public:
    // Takes candidates in the order of rows, which stay where they are, before some room.
    void open(Candidate *first, Candidate *last, Candidate *end_of_room) {
        left_ = {first, last};
        end_of_room_ = end_of_room;
    }

    // Takes those of one more thread, in the order of rows.
    void join(const Candidate *first, const Candidate *last) {
        const std::int64_t known = left_.size(), n = known + (last - first);
        if (end_of_room_ - left_.first < n) {
            std::vector<Candidate> wider(static_cast<std::size_t>(n));
            std::copy(left_.first, left_.last, wider.begin());
            joined_ = std::move(wider);
            open(joined_.data(), joined_.data() + known, joined_.data() + n);
        }
        const Candidate *one = left_.last;
        left_.last = left_.first + n;
        for (Candidate *to = left_.last; last != first; *--to = *--last) {
            while (one != left_.first && one[-1].row > last[-1].row) {
                *--to = *--one;
            }
        }
    }

    const ToScore &left() const { return left_; }

    void drop_below(float floor) {
        left_.last = twinlens::drop_below(floor, left_.first, left_.last);
    }

    // Parts those with the k highest upper bounds from the others, to be scored first; all where no
    // more than `few` are left. The vectors are for its use.
    ToScore part_likely(std::int64_t k, std::int64_t few, std::vector<float> &bounds,
                        std::vector<Candidate> &rest) {
        if (left_.size() <= few) {
            return part_all();
        }
        bounds.resize(static_cast<std::size_t>(left_.size()));
        std::transform(left_.first, left_.last, bounds.begin(),
                       [](const Candidate &one) { return one.upper; });
        const float from = kth_largest(bounds.data(), bounds.data() + bounds.size(), k);
        rest.resize(static_cast<std::size_t>(left_.size()));
        Candidate *likely = left_.first, *other = rest.data();
        for (const Candidate *one = left_.first; one != left_.last; ++one) {
            const Candidate moved = *one;
            const std::ptrdiff_t is_likely = moved.upper < from ? 0 : 1;
            *likely = moved;
            *other = moved;
            likely += is_likely;
            other += 1 - is_likely;
        }
        std::copy(rest.data(), other, likely);
        scored_[0] = {left_.first, likely};
        left_.first = likely;
        return scored_[0];
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
    Candidate *end_of_room_ = nullptr;
    std::vector<Candidate> joined_;
};

} // namespace twinlens
