// scratch.hpp - memory that a thread keeps from call to call, one buffer a purpose.
//
// Where memory runs out the process ends: a part of a pool has nobody to tell.
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

    // At least so many bytes, at a page's start; their content is whatever it was.
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

// Of this thread; the next call for the same purpose may give the same memory.
template <typename T> T *scratch(Scratch purpose, std::int64_t n) {
    static thread_local Buffer buffers[static_cast<int>(Scratch::count)];
    return static_cast<T *>(
        buffers[static_cast<int>(purpose)].of(static_cast<std::size_t>(n) * sizeof(T)));
}

} // namespace
} // namespace twinlens::operators
