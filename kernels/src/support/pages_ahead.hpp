// pages_ahead.hpp - pages of a mapped file that are needed soon, asked for in runs.
//
// One request for each of 600,000 scores took 180 ms where every page was in memory already, seven
// times the search; those of a run, a page once, take 1.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <vector>

#include "support/madvise.hpp"

namespace twinlens {

class PagesAhead {
  public:
    // Of `bytes` bytes from `first` on.
    PagesAhead(const void *first, std::size_t bytes)
        : first_(static_cast<const char *>(first)), bytes_(bytes), needed_(bytes / page + 1) {}

    void need(const void *at, std::size_t bytes) {
        const auto begin = static_cast<std::size_t>(static_cast<const char *>(at) - first_);
        for (std::size_t i = begin / page; i <= (begin + bytes - 1) / page; ++i) {
            needed_[i] = 1;
        }
    }

    void ask() const {
        // So many pages between two runs take less to read than one more request.
        constexpr std::size_t gap = 4;
        for (std::size_t begin = next(0); begin < needed_.size();) {
            std::size_t end = begin + 1;
            for (std::size_t i = end; i < needed_.size() && i <= end + gap; ++i) {
                end = needed_[i] != 0 ? i + 1 : end;
            }
            const std::size_t last = std::min(bytes_, end * page);
            advise_will_need(first_ + begin * page, last - begin * page);
            begin = next(end);
        }
    }

  private:
    // The first page from `begin` on that is needed.
    std::size_t next(std::size_t begin) const {
        const char *first = needed_.data(), *last = first + needed_.size();
        const void *found = std::memchr(first + begin, 1, needed_.size() - begin);
        return static_cast<std::size_t>(
            (found == nullptr ? last : static_cast<const char *>(found)) - first);
    }

    static constexpr std::size_t page = 4096; // of most systems; a larger one holds several

    const char *first_;
    std::size_t bytes_;
    std::vector<char> needed_; // a page each
};

} // namespace twinlens
