// scratch.hpp - memory that a thread keeps between calls, one buffer for each purpose.
//
// Out-of-memory ends the process: an exception cannot leave a part of a pool.
#pragma once

#include <cstddef>
#include <cstdint>
#include <new>

namespace twinlens::operators {
namespace {

enum class Scratch {
    codes,
    scales,
    row,
    hidden,
    shared_hidden,
    heads,
    attended,
    keys,
    scores,
    count
};

class Buffer {
  public:
    Buffer() = default;
    Buffer(const Buffer &) = delete;
    Buffer &operator=(const Buffer &) = delete;
    ~Buffer() { release(); }

    // At least so many bytes, page-aligned and not initialised.
    void *of(std::size_t bytes) {
        if (bytes > bytes_) {
            release();
            memory_ = ::operator new(bytes, page);
            bytes_ = bytes;
        }
        return memory_;
    }

  private:
    static constexpr std::align_val_t page{4096};

    void release() {
        if (memory_ != nullptr) {
            ::operator delete(memory_, page);
        }
        memory_ = nullptr;
        bytes_ = 0;
    }

    void *memory_ = nullptr;
    std::size_t bytes_ = 0;
};

// Memory of this thread; a later call for the same purpose may return the same memory.
template <typename T> T *scratch(Scratch purpose, std::int64_t n) {
    static thread_local Buffer buffers[static_cast<int>(Scratch::count)];
    return static_cast<T *>(
        buffers[static_cast<int>(purpose)].of(static_cast<std::size_t>(n) * sizeof(T)));
}

} // namespace
} // namespace twinlens::operators
