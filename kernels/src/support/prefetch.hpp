// prefetch.hpp - prefetch of memory into the caches. Never faults, at any address.
#pragma once

#include <algorithm>
#include <cstdint>

#if defined(_MSC_VER) && defined(_M_X64)
#include <xmmintrin.h>
#endif

namespace twinlens {

inline void prefetch_line(const void *line) {
#if defined(__GNUC__)
    __builtin_prefetch(line);
#elif defined(_M_X64)
    _mm_prefetch(static_cast<const char *>(line), _MM_HINT_T0);
#else
    (void)line;
#endif
}

// At most the first 4 KiB: a processor has a few dozen outstanding requests.
inline void prefetch_bytes(const void *first, std::int64_t bytes) {
    const char *line = static_cast<const char *>(first);
    for (std::int64_t at = 0; at < std::min<std::int64_t>(bytes, 4096); at += 64) {
        prefetch_line(line + at);
    }
}

} // namespace twinlens
