// kept_memory.hpp - large uninitialised memory whose pages stay mapped from one call to the next.
//
// The system clears each page that it maps: 25 MB of candidates take 9 ms, a fifth of a search. So a
// few blocks are kept, and the system is told that it may take their pages (MADV_FREE): under
// pressure they are gone, and come back cleared.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <mutex>
#include <new>
#include <utility>
#include <vector>

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

    // Blocks that no call uses; they are the process's, and are never freed at its end.
    struct Pool {
        std::mutex guard;
        std::vector<Block> blocks;
    };
    static Pool &pool() {
        static Pool *const pool = new Pool;
        return *pool;
    }

    static constexpr std::size_t least = std::size_t{1} << 20, most_blocks = 4;

    static Block take(std::size_t bytes) {
        if (bytes >= least) {
            const std::lock_guard<std::mutex> lock(pool().guard);
            std::vector<Block> &blocks = pool().blocks;
            for (Block &block : blocks) {
                if (block.bytes >= bytes) {
                    std::swap(block, blocks.back());
                    const Block found = blocks.back();
                    blocks.pop_back();
                    return found;
                }
            }
        }
        void *data = std::malloc(bytes);
        if (data == nullptr && bytes > 0) {
            throw std::bad_alloc();
        }
        return {data, bytes};
    }

    static void give_back(Block block) noexcept {
        if (block.bytes >= least) {
            advise_may_take(block.data, block.bytes);
            const std::lock_guard<std::mutex> lock(pool().guard);
            std::vector<Block> &blocks = pool().blocks;
            if (blocks.capacity() < most_blocks) {
                try {
                    blocks.reserve(most_blocks);
                } catch (const std::bad_alloc &) {
                    std::free(block.data);
                    return;
                }
            }
            // The largest ones are kept: they serve smaller wishes too.
            if (blocks.size() == most_blocks) {
                for (Block &kept : blocks) {
                    if (kept.bytes < block.bytes) {
                        std::swap(kept, block);
                    }
                }
            } else {
                blocks.push_back(block);
                return;
            }
        }
        std::free(block.data);
    }

    Block block_;
};

} // namespace twinlens
