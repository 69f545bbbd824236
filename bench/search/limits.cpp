// limits.cpp - read and multiplication speed of one core of this machine, for
// limits.py. read_all: every byte of a buffer, once, on `threads`
// threads, in 64-byte loads prefetched 1 KiB ahead. vnni_ops, amx_ops: u8 x s8
// products summed in int32, operands in registers; return the operations done
// (a multiplication and an addition are two), 0 where the processor has no such
// instruction.
#include <cstddef>
#include <cstdint>
#include <immintrin.h>
#include <sys/syscall.h>
#include <thread>
#include <unistd.h>
#include <vector>

namespace {

[[gnu::target("avx512f")]] std::uint64_t read_part(const char *bytes, std::size_t count) {
    __m512i seen = _mm512_setzero_si512();
    for (std::size_t at = 0; at + 64 <= count; at += 64) {
        _mm_prefetch(bytes + at + 1024, _MM_HINT_T0);
        seen = _mm512_or_si512(seen, _mm512_loadu_si512(bytes + at));
    }
    return static_cast<std::uint64_t>(_mm512_reduce_or_epi64(seen));
}

struct alignas(64) TileShapes {
    std::uint8_t palette = 1, start = 0, reserved[14] = {};
    std::uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
    std::uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};

} // namespace

extern "C" std::uint64_t read_all(const char *bytes, std::size_t count, int threads) {
    std::vector<std::uint64_t> seen(threads);
    const std::size_t part = count / threads / 64 * 64;
    std::vector<std::thread> others;
    for (int t = 1; t < threads; ++t)
        others.emplace_back([&, t] { seen[t] = read_part(bytes + t * part, part); });
    seen[0] = read_part(bytes, part);
    for (std::thread &other : others)
        other.join();
    std::uint64_t all = 0;
    for (const std::uint64_t one : seen)
        all |= one;
    return all;
}

extern "C" [[gnu::target("avx512f,avx512vnni")]] double vnni_ops(std::int64_t rounds) {
    if (!__builtin_cpu_supports("avx512vnni"))
        return 0;
    const __m512i ones = _mm512_set1_epi8(1);
    // Twelve sums in flight hide the latency of each. Each has a name: of an array GCC stores every
    // sum, at half the speed.
    __m512i a = ones, b = ones, c = ones, d = ones, e = ones, f = ones;
    __m512i g = ones, h = ones, i = ones, j = ones, k = ones, l = ones;
    for (std::int64_t round = 0; round < rounds; ++round) {
        const auto add = [&ones](__m512i &sum) __attribute__((always_inline)) {
            asm volatile("vpdpbusd %1, %1, %0" : "+v"(sum) : "v"(ones));
        };
        add(a), add(b), add(c), add(d), add(e), add(f);
        add(g), add(h), add(i), add(j), add(k), add(l);
    }
    return static_cast<double>(rounds) * 12 * 64 * 2;
}

extern "C" [[gnu::target("amx-tile,amx-int8")]] double amx_ops(std::int64_t rounds) {
    // Linux: ARCH_REQ_XCOMP_PERM for the tile registers (feature 18), refused
    // where there are none.
    if (syscall(SYS_arch_prctl, 0x1023, 18) != 0)
        return 0;
    // Static: GCC 12 believes that ldtilecfg reads 8 bytes, and leaves the rest
    // of a local unwritten.
    static const TileShapes shapes;
    _tile_loadconfig(&shapes);
    for (std::int64_t round = 0; round < rounds; ++round) {
        _tile_dpbusd(0, 4, 6);
        _tile_dpbusd(1, 4, 7);
        _tile_dpbusd(2, 5, 6);
        _tile_dpbusd(3, 5, 7);
    }
    _tile_release();
    return static_cast<double>(rounds) * 4 * 16 * 16 * 64 * 2;
}
