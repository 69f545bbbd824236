// features.cpp - detection by CPUID and XGETBV on x86, by what the system says on ARM.

#include "cpu/features.hpp"

#include <algorithm>
#include <cstdint>
#include <stdexcept>
#include <string>

#if defined(__x86_64__) || defined(_M_X64)
#if defined(_MSC_VER)
#include <intrin.h>
#else
#include <cpuid.h>
#endif
#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif
#elif defined(__aarch64__) && defined(__linux__)
#include <sys/auxv.h>
#elif defined(__aarch64__) && defined(__APPLE__)
#include <sys/sysctl.h>
#elif defined(_WIN32)
#include <windows.h>
#endif

namespace twinlens::cpu {
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

// XCR0: the registers that the system saves when it switches between programs.
std::uint64_t saved_registers() {
#if defined(_MSC_VER)
    return _xgetbv(0);
#else
    std::uint32_t low = 0, high = 0;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return static_cast<std::uint64_t>(high) << 32 | low;
#endif
}

// Linux lends the tile registers to a process that asks (ARCH_REQ_XCOMP_PERM, feature 18: tile
// data); once granted, for always. No other system is known to ask so.
bool tiles_granted() {
#if defined(__linux__)
    return syscall(SYS_arch_prctl, 0x1023, 18) == 0;
#else
    return false;
#endif
}

std::vector<Feature> detect() {
    const auto bit = [](std::uint32_t word, int place) { return (word >> place & 1U) != 0; };
    constexpr std::uint64_t ymm = 0x6, zmm = 0xe6, tile_registers = 0x60000;

    const Leaf basic = leaf(1, 0), more = leaf(7, 0), most = leaf(7, 1);
    const bool has_xgetbv = bit(basic.c, 27);
    const std::uint64_t saved = has_xgetbv ? saved_registers() : 0;
    const auto saves = [saved](std::uint64_t all) { return (saved & all) == all; };

    const bool avx2 = saves(ymm) && bit(more.b, 5) && bit(basic.c, 12);
    const bool avx512 = avx2 && saves(zmm) && bit(more.b, 16) && bit(more.b, 17) &&
                        bit(more.b, 30) && bit(more.b, 31);
    const bool tiles = saves(tile_registers) && bit(more.d, 24) && tiles_granted();
    return {
        {"avx2", avx2},
        {"avxvnni", avx2 && bit(most.a, 4)},
        {"avx512", avx512},
        {"avx512vnni", avx512 && bit(more.c, 11)},
        {"avx512bf16", avx512 && bit(most.a, 5)},
        {"amx_int8", tiles && bit(more.d, 25)},
        {"amx_bf16", tiles && avx512 && bit(more.d, 22) && bit(most.a, 5)},
    };
}

#elif defined(__aarch64__) || defined(_M_ARM64)

#if defined(__APPLE__)
bool reported(const char *name) {
    int value = 0;
    std::size_t size = sizeof value;
    return sysctlbyname(name, &value, &size, nullptr, 0) == 0 && value != 0;
}
#endif

std::vector<Feature> detect() {
#if defined(__linux__)
    // HWCAP_ASIMDDP, and of Linux 5.10 HWCAP2_I8MM: older headers have no such name.
    constexpr unsigned long asimddp = 1UL << 20, i8mm = 1UL << 13;
    return {{"dotprod", (getauxval(AT_HWCAP) & asimddp) != 0},
            {"i8mm", (getauxval(AT_HWCAP2) & i8mm) != 0}};
#elif defined(__APPLE__)
    // Every Apple processor that runs a current system has dot products.
    return {{"dotprod", true}, {"i8mm", reported("hw.optional.arm.FEAT_I8MM")}};
#elif defined(_WIN32)
    // PF_ARM_V82_DP_INSTRUCTIONS_AVAILABLE and PF_ARM_V82_I8MM_INSTRUCTIONS_AVAILABLE: a system
    // that knows no such number says no.
    return {{"dotprod", IsProcessorFeaturePresent(43) != 0},
            {"i8mm", IsProcessorFeaturePresent(66) != 0}};
#else
    return {{"dotprod", false}, {"i8mm", false}};
#endif
}

#else

std::vector<Feature> detect() { return {}; }

#endif

bool available(std::string_view name) {
    const auto named = [name](const Feature &feature) { return feature.name == name; };
    const auto found = std::find_if(features().begin(), features().end(), named);
    if (found == features().end()) {
        throw std::logic_error("no such feature: " + std::string(name));
    }
    return found->available;
}

} // namespace

const std::vector<Feature> &features() {
    static const std::vector<Feature> found = detect();
    return found;
}

std::string_view first_missing(std::string_view needs) {
    while (!needs.empty()) {
        const std::string_view name = needs.substr(0, needs.find(' '));
        if (!available(name)) {
            return name;
        }
        needs.remove_prefix(std::min(name.size() + 1, needs.size()));
    }
    return {};
}

} // namespace twinlens::cpu
