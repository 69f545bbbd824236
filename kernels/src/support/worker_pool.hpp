// worker_pool.hpp - threads of the process that help calls, and stay a while for the next one.
//
// Contract: a call is helped by as many workers as come before it is closed, and works itself
// meanwhile: a worker that the system wakes late, or cannot start, delays nothing. A forked child
// has a pool of its own; that of its parent is left as the fork found it. A worker begins on
// another core than its caller's, where there is one.
//
// Why: an idle core of a virtual machine takes up to 0.5 ms to wake, and a search of 2.5 ms has
// seven parallel steps. A thread started for each of them came too late for all of them.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <new>
#include <system_error>
#include <thread>
#include <vector>

#if defined(__unix__) || defined(__APPLE__)
#include <unistd.h>
#endif

#include "support/cores.hpp"

namespace twinlens {

class WorkerPool {
  public:
    // Work that is open to helpers from its constructor to its destructor, which waits for those
    // that have come. `run` is called with worker 1 .. helpers, each once at most.
    class Call {
      public:
        template <typename Run>
        Call(const Run &run, std::int64_t helpers)
            : run_([](const void *work, std::int64_t worker) {
                  (*static_cast<const Run *>(work))(worker);
              }),
              work_(&run), wanted_(helpers), pool_(of_process()) {
            pool_.open(*this);
        }
        ~Call() { pool_.close(*this); }
        Call(const Call &) = delete;
        Call(Call &&) = delete;
        Call &operator=(const Call &) = delete;
        Call &operator=(Call &&) = delete;

      private:
        friend class WorkerPool;

        void (*run_)(const void *work, std::int64_t worker);
        const void *work_;
        std::int64_t wanted_, came_ = 0;      // under the pool's guard
        std::atomic<std::int64_t> inside_{0}; // workers at it
        const int core_ = cores::this_core(); // of the caller
        WorkerPool &pool_;
    };

  private:
    // A worker that waits for a call, and the core it would wake on.
    struct Sleeper {
        cores::Thread thread;
        int core;
        Sleeper *next;
        bool moved = false; // off that core
        cores::Allowed before{};
    };

    using Clock = std::chrono::steady_clock;

    // Between the steps of a search, and between searches in a row, nobody sleeps: yielding a core
    // that nobody else wants takes less than waking it.
    static constexpr std::chrono::microseconds awake{200};
    // A thread that nobody has called for so long ends: a process at rest has none.
    static constexpr std::chrono::milliseconds stays{100};

    WorkerPool(std::int64_t process, const WorkerPool *parents)
        : process_(process), parents_(parents) {}

    static WorkerPool &of_process() {
        static std::atomic<WorkerPool *> current{nullptr};
#if defined(__unix__) || defined(__APPLE__)
        const std::int64_t process = getpid();
#else
        const std::int64_t process = 0;
#endif
        WorkerPool *known = current.load(std::memory_order_acquire);
        if (known == nullptr || known->process_ != process) {
            auto *const own = new WorkerPool(process, known);
            if (current.compare_exchange_strong(known, own)) {
                return *own; // for the rest of the process
            }
            delete own;
        }
        return *known;
    }

    void open(Call &call) {
        std::int64_t asleep = 0, missing = 0;
        {
            const std::lock_guard<std::mutex> lock(guard_);
            waiting_.push_back(&call);
            const std::int64_t wanted = wanted_.fetch_add(call.wanted_) + call.wanted_;
            asleep = std::min(asleep_, wanted - (free_ - asleep_));
            for (Sleeper *one = asleep > 0 ? sleepers_ : nullptr; one != nullptr; one = one->next) {
                one->moved = one->moved || (one->core == call.core_ &&
                                            cores::keep_off(one->thread, one->core, one->before));
            }
            missing = std::max<std::int64_t>(0, wanted - free_);
            free_ += missing;
        }
        for (std::int64_t i = 0; i < asleep; ++i) {
            called_.notify_one();
        }
        start(missing);
    }

    void start(std::int64_t missing) {
        try {
            for (; missing > 0; --missing) {
                std::thread([this] { work(); }).detach();
            }
        } catch (const std::system_error &) {
            give_up(missing);
        } catch (const std::bad_alloc &) {
            give_up(missing);
        }
    }

    // The system starts no more threads: those that run suffice.
    void give_up(std::int64_t missing) {
        const std::lock_guard<std::mutex> lock(guard_);
        free_ -= missing;
    }

    void close(Call &call) {
        {
            const std::lock_guard<std::mutex> lock(guard_);
            if (call.wanted_ > 0) {
                wanted_ -= call.wanted_;
                waiting_.erase(std::find(waiting_.begin(), waiting_.end(), &call));
            }
        }
        const auto has_ended = [&call] {
            return call.inside_.load(std::memory_order_acquire) == 0;
        };
        if (!soon(has_ended)) {
            std::unique_lock<std::mutex> lock(guard_);
            ended_.wait(lock, has_ended);
        }
    }

    // True once the condition holds; false if it does not for a while.
    template <typename Condition> static bool soon(const Condition &holds) {
        if (holds()) {
            return true;
        }
        for (const auto until = Clock::now() + awake; Clock::now() < until;) {
            std::this_thread::yield();
            if (holds()) {
                return true;
            }
        }
        return false;
    }

    // A worker's life.
    void work() {
        std::unique_lock<std::mutex> lock(guard_);
        while (is_called(lock)) {
            Call &call = *waiting_.front();
            const std::int64_t worker = ++call.came_;
            call.inside_.fetch_add(1, std::memory_order_relaxed);
            wanted_ -= 1;
            if (--call.wanted_ == 0) {
                waiting_.erase(waiting_.begin());
            }
            --free_;
            lock.unlock();
            cores::leave(call.core_);
            call.run_(call.work_, worker);
            lock.lock();
            ++free_;
            // The last touch: then the call may be gone.
            if (call.inside_.fetch_sub(1, std::memory_order_release) == 1) {
                ended_.notify_all();
            }
        }
        --free_;
    }

    // Waits for a call; false if none came.
    bool is_called(std::unique_lock<std::mutex> &lock) {
        if (!waiting_.empty()) {
            return true;
        }
        lock.unlock();
        soon([this] { return wanted_.load(std::memory_order_relaxed) > 0; });
        lock.lock();
        Sleeper me{cores::this_thread(), cores::this_core(), sleepers_};
        sleepers_ = &me;
        ++asleep_;
        const bool called = called_.wait_for(lock, stays, [this] { return !waiting_.empty(); });
        --asleep_;
        Sleeper **link = &sleepers_;
        while (*link != &me) {
            link = &(*link)->next;
        }
        *link = me.next;
        if (me.moved) {
            cores::give_back(me.thread, me.before);
        }
        return called;
    }

    const std::int64_t process_;
    // Kept, so that a tool that looks for lost memory finds it.
    [[maybe_unused]] const WorkerPool *const parents_;
    std::mutex guard_;
    std::condition_variable called_, ended_;
    std::vector<Call *> waiting_;         // that want more workers, the oldest first
    std::atomic<std::int64_t> wanted_{0}; // workers that they want
    std::int64_t free_ = 0;               // workers at no call, those that start among them
    std::int64_t asleep_ = 0;             // of them
    Sleeper *sleepers_ = nullptr;         // those asleep: no memory is asked for beside them
};

} // namespace twinlens
