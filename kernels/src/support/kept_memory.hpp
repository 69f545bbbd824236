// kept_memory.hpp - large uninitialised memory whose pages stay mapped from one call to the next.
//
// The system clears each page that it maps: 25 MB of candidates take 9 ms, a fifth of a search. So
// a few blocks are kept, and the system is told that it may take their pages (MADV_FREE): under
// pressure they are gone, and come back cleared.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <mutex>
#include <new>
#include <utility>

#include "support/madvise.hpp"

namespace twinlens {

class KeptMemory {
  public:
    explicit KeptMemory(std::size_t bytes) : block_(take(bytes)) {}
    ~KeptMemory() { give_back(block_); }
    KeptMemory(KeptMemory &&other) noexcept : block_(std::exchange(other.block_, Block{})) {}
    KeptMemory(const KeptMemory &) = delete;
    KeptMemory &operator=(const KeptMemory &) = delete;
    KeptMemory &operator=(KeptMemory &&) = delete;

    void *data() const { return block_.data; }

  private:
    struct Block {
        void *data = nullptr;
        std::size_t bytes = 0;
    };

    // Blocks that no call uses. They are the process's, and are never freed at its end.
    struct Pool {
        std::mutex guard;
        Block blocks[4];
    };
    static Pool &pool() {
        static Pool *const pool = new Pool;
        return *pool;
    }

    static constexpr std::size_t least = std::size_t{1} << 20;

    static Block take(std::size_t bytes) {
        const Block kept = exchange_kept(
            {}, [bytes](const Block &block) { return bytes >= least && block.bytes >= bytes; });
        if (kept.data != nullptr) {
            return kept;
        }
        void *data = std::malloc(bytes);
        while (data == nullptr && bytes > 0) {
            const Block other =
                exchange_kept({}, [](const Block &block) { return block.bytes > 0; });
            if (other.data == nullptr) {
                throw std::bad_alloc();
            }
            std::free(other.data);
            data = std::malloc(bytes);
        }
        return {data, bytes};
    }

    static void give_back(Block block) noexcept {
        if (block.bytes >= least) {
            advise_may_take(block.data, block.bytes);
            // The larger ones are kept: they serve smaller wishes too.
            block = exchange_kept(block,
                                  [block](const Block &kept) { return kept.bytes < block.bytes; });
        }
        std::free(block.data);
    }

    // Puts a block in the place of the first that fits, and returns that one; the block itself
    // where there is none, or where another thread is at it: a process that was forked in that
    // moment finds it so for ever.
    template <typename Fits> static Block exchange_kept(Block block, const Fits &fits) noexcept {
        const std::unique_lock<std::mutex> lock(pool().guard, std::try_to_lock);
        if (lock.owns_lock()) {
            for (Block &kept : pool().blocks) {
                if (fits(kept)) {
                    return std::exchange(kept, block);
                }
            }
        }
        return block;
    }

    Block block_;
};

} // namespace twinlens
