// topk_heap.hpp - heap of the k best (score, id) pairs so far, the worst on top.
//
// Contract: a view of two arrays of k >= 1 numbers that form a heap already; owns nothing. The
// arrays are kept apart because numpy owns them. Of equal scores the higher id is the worse.
#pragma once

#include <cstdint>

namespace twinlens {

class TopkHeap {
  public:
    TopkHeap(double *scores, std::int64_t *ids, std::int64_t k)
        : scores_(scores), ids_(ids), k_(k) {}

    double worst() const { return scores_[0]; }

    // Replaces the worst pair by this one if this one is better. O(log k).
    bool offer(double score, std::int64_t id) {
        if (!worse(scores_[0], ids_[0], score, id)) {
            return false;
        }
        std::int64_t hole = 0;
        for (std::int64_t child = 1; child < k_; child = 2 * hole + 1) {
            const std::int64_t right = child + 1;
            if (right < k_ && worse(scores_[right], ids_[right], scores_[child], ids_[child])) {
                child = right;
            }
            if (!worse(scores_[child], ids_[child], score, id)) {
                break;
            }
            scores_[hole] = scores_[child];
            ids_[hole] = ids_[child];
            hole = child;
        }
        scores_[hole] = score;
        ids_[hole] = id;
        return true;
    }

  private:
    static bool worse(double score, std::int64_t id, double than_score, std::int64_t than_id) {
        return score < than_score || (score == than_score && id > than_id);
    }

    double *scores_;
    std::int64_t *ids_;
    std::int64_t k_;
};

} // namespace twinlens
