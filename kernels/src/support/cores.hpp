// cores.hpp - the core that a thread runs on, and keeping a thread off one.
//
// Contract: nothing here fails; where a system has no such calls, or forbids them, no thread moves.
// Why: the kernel of a virtual machine may pack threads onto few cores. On one that does (a 6.18,
// two virtual cores), a search and its helper took turns on one core for whole calls of 12 ms,
// beside an idle one, in 27 of 30 wakes. Debian's Linux 6.1, 6.12 and 7.3, on two emulated cores
// with and without a common cache, woke a helper on its caller's core in 1 of 1,040 calls.
#pragma once

#if defined(__linux__)
#include <sched.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>
#endif

namespace twinlens::cores {

#if defined(__linux__)

using Thread = pid_t;
using Allowed = cpu_set_t; // the cores that a thread may run on

inline Thread this_thread() { return static_cast<Thread>(syscall(SYS_gettid)); }

// -1: unknown.
inline int this_core() { return sched_getcpu(); }

// Takes a core from those that a thread may run on, unless it is the only one. True if it did;
// `before` are then the cores to be given back.
inline bool keep_off(Thread thread, int core, Allowed &before) {
    if (core < 0 || core >= CPU_SETSIZE || sched_getaffinity(thread, sizeof before, &before) != 0) {
        return false;
    }
    Allowed others = before;
    CPU_CLR(core, &others);
    return CPU_COUNT(&others) > 0 && sched_setaffinity(thread, sizeof others, &others) == 0;
}

inline void give_back(Thread thread, const Allowed &before) {
    static_cast<void>(sched_setaffinity(thread, sizeof before, &before));
}

#else

using Thread = int;
using Allowed = int;

inline Thread this_thread() { return 0; }
inline int this_core() { return -1; }
inline bool keep_off(Thread, int, Allowed &) { return false; }
inline void give_back(Thread, const Allowed &) {}

#endif

// Moves the calling thread from a core, if it is there.
inline void leave(int core) {
    Allowed before;
    if (core >= 0 && this_core() == core && keep_off(this_thread(), core, before)) {
        give_back(this_thread(), before);
    }
}

} // namespace twinlens::cores
