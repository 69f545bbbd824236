// features.cpp - by CPUID and XGETBV, or by the system's word on ARM.

#include "cpu/features.hpp"

#include <cstdint>

#if defined(__x86_64__) || defined(_M_X64)
#if defined(_MSC_VER)
#include <intrin.h>
#else
#include <cpuid.h>
#endif
#elif defined(__aarch64__) && defined(__linux__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

namespace twinlens {
namespace {

#if defined(__x86_64__) || defined(_M_X64)

struct Leaf {
    std::uint32_t a = 0, b = 0, c = 0, d = 0;
};

// All zero where the processor has no such leaf.
Leaf leaf(std::uint32_t number, std::uint32_t part) {
    Leaf found;
#if defined(_MSC_VER)
    int words[4];
    __cpuid(words, 0);
    if (number <= static_cast<std::uint32_t>(words[0])) {
        __cpuidex(words, static_cast<int>(number), static_cast<int>(part));
        found = {static_cast<std::uint32_t>(words[0]), static_cast<std::uint32_t>(words[1]),
                 static_cast<std::uint32_t>(words[2]), static_cast<std::uint32_t>(words[3])};
    }
#else
    if (__get_cpuid_count(number, part, &found.a, &found.b, &found.c, &found.d) == 0) {
        found = {};
    }
#endif
    return found;
}

// Which registers the system saves when it switches between programs.
std::uint64_t saved_registers() {
#if defined(_MSC_VER)
    return _xgetbv(0);
#else
    std::uint32_t low = 0, high = 0;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return static_cast<std::uint64_t>(high) << 32 | low;
#endif
}

Processor look() {
    const auto bit = [](std::uint32_t word, int place) { return (word >> place & 1U) != 0; };
    const auto saves = [](std::uint64_t saved, std::uint64_t all) { return (saved & all) == all; };
    constexpr std::uint64_t ymm = 0x6, zmm = 0xe6, tiles = 0x60000;

    Processor found;
    const Leaf basic = leaf(1, 0), more = leaf(7, 0), most = leaf(7, 1);
    if (!bit(basic.c, 27)) { // XGETBV
        return found;
    }
    const std::uint64_t saved = saved_registers();
    found.avx2 = saves(saved, ymm) && bit(more.b, 5) && bit(basic.c, 12);
    found.avxvnni = found.avx2 && bit(most.a, 4);
    found.avx512 = found.avx2 && saves(saved, zmm) && bit(more.b, 16) && bit(more.b, 17) &&
                   bit(more.b, 30) && bit(more.b, 31);
    found.avx512vnni = found.avx512 && bit(more.c, 11);
    found.amx_int8 = saves(saved, tiles) && bit(more.d, 24) && bit(more.d, 25);
    found.amx_bf16 =
        found.avx512 && saves(saved, tiles) && bit(more.d, 24) && bit(more.d, 22) && bit(most.a, 5);
    return found;
}

#elif defined(__aarch64__)

Processor look() {
    Processor found;
#if defined(__linux__)
    found.dotprod = (getauxval(AT_HWCAP) & HWCAP_ASIMDDP) != 0;
#elif defined(__APPLE__)
    found.dotprod = true; // every Apple processor that runs a current system
#endif
    return found;
}

#else

Processor look() { return {}; }

#endif

} // namespace

const Processor &processor() {
    static const Processor found = look();
    return found;
}

} // namespace twinlens
