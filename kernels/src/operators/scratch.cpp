// scratch.cpp - the buffers of each thread, freed when it ends.

#include "operators/scratch.hpp"

#include <atomic>
#include <memory>
#include <new>

#if !defined(_WIN32)
#include <pthread.h>
#endif

namespace twinlens::operators {
namespace {

class Buffer {
  public:
    Buffer() = default;
    Buffer(const Buffer &) = delete;
    Buffer &operator=(const Buffer &) = delete;
    ~Buffer() { release(); }

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

struct Buffers {
    Buffer of[static_cast<int>(Scratch::count)];
};

#if defined(_WIN32)
Buffers &buffers() {
    static thread_local Buffers own;
    return own;
}
#else
pthread_key_t new_key() {
    pthread_key_t key;
    if (pthread_key_create(&key, [](void *own) { delete static_cast<Buffers *>(own); }) != 0) {
        throw std::bad_alloc();
    }
    return key;
}

Buffers &buffers() {
    static const pthread_key_t key = new_key();
    if (void *own = pthread_getspecific(key); own != nullptr) {
        return *static_cast<Buffers *>(own);
    }
    auto made = std::make_unique<Buffers>();
    if (pthread_setspecific(key, made.get()) != 0) {
        throw std::bad_alloc();
    }
    return *made.release();
}
#endif

} // namespace

void *scratch_bytes(Scratch purpose, std::size_t bytes) {
    return buffers().of[static_cast<int>(purpose)].of(bytes);
}

std::int64_t new_serial() {
    static std::atomic<std::int64_t> latest{0};
    return ++latest;
}

} // namespace twinlens::operators
