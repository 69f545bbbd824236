// ieee_mode.hpp - scope of IEEE arithmetic: round to nearest, keep subnormal numbers.
//
// Other libraries may have set this thread to flush subnormals to zero, which our bounds rely on.
// In an unnamed namespace, see arithmetic.hpp.
#pragma once

#include <cstdint>

#if defined(__x86_64__) || defined(_M_X64)
#include <xmmintrin.h>
#endif

namespace twinlens {
namespace {

class IeeeMode {
  public:
    IeeeMode() : before_(get()) { set(ieee); }
    ~IeeeMode() { set(before_); }
    IeeeMode(const IeeeMode &) = delete;
    IeeeMode &operator=(const IeeeMode &) = delete;

  private:
#if defined(__x86_64__) || defined(_M_X64)
    static constexpr std::uint64_t ieee = 0x1f80; // MXCSR: all exceptions masked, nothing else
    static std::uint64_t get() { return _mm_getcsr(); }
    static void set(std::uint64_t mode) { _mm_setcsr(static_cast<unsigned>(mode)); }
#elif defined(__aarch64__) && defined(__GNUC__)
    static constexpr std::uint64_t ieee = 0; // FPCR
    static std::uint64_t get() {
        std::uint64_t mode = 0;
        __asm__ volatile("mrs %0, fpcr" : "=r"(mode));
        return mode;
    }
    static void set(std::uint64_t mode) { __asm__ volatile("msr fpcr, %0" : : "r"(mode)); }
#else
    static constexpr std::uint64_t ieee = 0;
    static std::uint64_t get() { return 0; }
    static void set(std::uint64_t) {}
#endif
    std::uint64_t before_;
};

} // namespace
} // namespace twinlens
