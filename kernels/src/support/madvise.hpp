// madvise.hpp - tell the system which pages of a mapped file will be read, so that it fetches them
// at once and not one fault after the other. A hint: where there is no such call, nothing happens.
#pragma once

#include <cstddef>
#include <cstdint>

#if defined(__unix__) || defined(__APPLE__)
#include <sys/mman.h>
#include <unistd.h>
#endif

namespace twinlens {

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

} // namespace twinlens
