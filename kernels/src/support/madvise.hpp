// madvise.hpp - hints on pages of memory; nothing on systems without madvise.
#pragma once

#include <cstddef>
#include <cstdint>

#if defined(__unix__) || defined(__APPLE__)
#include <sys/mman.h>
#include <unistd.h>
#endif

namespace twinlens {

// Pages of a mapped file: the system reads them at once, instead of one page fault after the other.
inline void advise_will_need(const void *first, std::size_t bytes) {
#if defined(__unix__) || defined(__APPLE__)
    static const auto page = static_cast<std::uintptr_t>(sysconf(_SC_PAGESIZE));
    const auto from = reinterpret_cast<std::uintptr_t>(first) / page * page;
    const auto to = reinterpret_cast<std::uintptr_t>(first) + bytes;
    madvise(reinterpret_cast<void *>(from), to - from, MADV_WILLNEED);
#else
    (void)first;
    (void)bytes;
#endif
}

// Whole pages of memory whose content is needed no more: the system takes them when it is short.
inline void advise_may_take(void *first, std::size_t bytes) {
#if defined(MADV_FREE)
    static const auto page = static_cast<std::uintptr_t>(sysconf(_SC_PAGESIZE));
    const auto begin = reinterpret_cast<std::uintptr_t>(first);
    const auto from = (begin + page - 1) / page * page, to = (begin + bytes) / page * page;
    if (from < to) {
        madvise(reinterpret_cast<void *>(from), to - from, MADV_FREE);
    }
#else
    (void)first;
    (void)bytes;
#endif
}

} // namespace twinlens
