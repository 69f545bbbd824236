// dispatch.hpp - the instruction paths that run here, best first, and the choice among them.
#pragma once

#include <string_view>
#include <vector>

#include "search/kernel_table.hpp"

namespace twinlens {

inline const std::vector<const Path *> &runnable_paths() {
    static const std::vector<const Path *> paths = [] {
        std::vector<const Path *> found;
        for (const Path *path : {
#if defined(TWINLENS_AMX)
                 amx_path(),
#endif
#if defined(TWINLENS_AVX512VNNI)
                 avx512vnni_path(),
#endif
#if defined(TWINLENS_AVXVNNI)
                 avxvnni_path(),
#endif
#if defined(TWINLENS_AVX2)
                 avx2_path(),
#endif
#if defined(TWINLENS_NEON)
                 neon_path(),
#endif
                 scalar_path()}) {
            if (path != nullptr) {
                found.push_back(path);
            }
        }
        return found;
    }();
    return paths;
}

// Null if no such path runs here; an empty name means the best.
inline const Path *path_named(std::string_view name) {
    for (const Path *path : runnable_paths()) {
        if (name.empty() || name == path->name) {
            return path;
        }
    }
    return nullptr;
}

} // namespace twinlens
