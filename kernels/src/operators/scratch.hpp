// scratch.hpp - memory that a thread keeps between calls, one buffer for each purpose.
//
// Not thread_local: where memory is short at a thread's first touch, the C library ends the
// process.
#pragma once

#include <cstddef>
#include <cstdint>

namespace twinlens::operators {

enum class Scratch {
    codes,
    weights,
    columns,
    clipped,
    scales,
    row,
    hidden,
    shared_hidden,
    heads,
    attended,
    keys,
    scores,
    sums,
    count
};

// At least so many bytes of this thread, page-aligned and not initialised; a later call for the
// same purpose may return the same memory. Throws std::bad_alloc.
void *scratch_bytes(Scratch purpose, std::size_t bytes);

// Another number at each call, in the whole process: by it, what is made of memory that is used
// again is told from what was made before.
std::int64_t new_serial();

namespace {

template <typename T> T *scratch(Scratch purpose, std::int64_t n) {
    return static_cast<T *>(scratch_bytes(purpose, static_cast<std::size_t>(n) * sizeof(T)));
}

} // namespace
} // namespace twinlens::operators
