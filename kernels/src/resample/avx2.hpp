// avx2.hpp - both passes of resample/pass.hpp by AVX2: weights as 16 bits and 8.
//
// Contract: taps.count is a multiple of taps_together.
#pragma once

#include <cstdint>
#include <cstring>

#include <immintrin.h>

#include "resample/pass.hpp"
#include "resample/scalar.hpp"

namespace twinlens {
namespace {

struct Halves {
    explicit Halves(std::int32_t weight)
        : low(static_cast<std::int16_t>(weight)),
          high(static_cast<std::int16_t>((weight - low) / 65536)) {}
    std::int16_t low;
    std::int16_t high;
};

inline __m256i bytes32(const void *at) {
    return _mm256_loadu_si256(static_cast<const __m256i *>(at));
}

inline __m256i rounded(__m256i low, __m256i high) {
    const __m256i sum = _mm256_add_epi32(low, _mm256_slli_epi32(high, 16));
    return _mm256_srai_epi32(_mm256_add_epi32(sum, _mm256_set1_epi32(weight_half)), weight_bits);
}

// For four taps 0..3: [low, high][0 1 0 1 0 1 0 1 2 3 2 3 2 3 2 3].
inline void lay_out_across(const Taps &taps, std::int16_t *laid) {
    for (std::int64_t at = 0; at < taps.length * taps.count; at += 4, laid += 32) {
        for (std::int64_t place = 0; place < 16; ++place) {
            const Halves halves(taps.weights[at + place / 8 * 2 + place % 2]);
            laid[place] = halves.low;
            laid[16 + place] = halves.high;
        }
    }
}

template <int rows>
void across_rows_avx2(FromRows from, const Taps &taps, const std::uint8_t *laid, ToRows to) {
    // Shuffles four pixels, present in both halves, to pairs of one channel as 16 bits.
    const __m256i pairs =
        _mm256_setr_epi8(0, -1, 4, -1, 1, -1, 5, -1, 2, -1, 6, -1, 3, -1, 7, -1, 8, -1, 12, -1, 9,
                         -1, 13, -1, 10, -1, 14, -1, 11, -1, 15, -1);
    for (std::int64_t x = 0; x < taps.length; ++x) {
        const std::uint8_t *pixels = from.bytes + 4 * taps.starts[x];
        __m256i low[rows], high[rows];
        for (int row = 0; row < rows; ++row) {
            low[row] = high[row] = _mm256_setzero_si256();
        }
        for (std::int64_t tap = 0; tap < taps.count; tap += 4, laid += 64) {
            const __m256i low_weights = bytes32(laid), high_weights = bytes32(laid + 32);
            for (int row = 0; row < rows; ++row) {
                const __m128i four = _mm_loadu_si128(
                    reinterpret_cast<const __m128i *>(pixels + row * from.stride + 4 * tap));
                const __m256i paired =
                    _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(four), pairs);
                low[row] = _mm256_add_epi32(low[row], _mm256_madd_epi16(paired, low_weights));
                high[row] = _mm256_add_epi32(high[row], _mm256_madd_epi16(paired, high_weights));
            }
        }
        for (int row = 0; row < rows; ++row) {
            // The two halves hold different taps of the pixel.
            const __m256i sums = _mm256_add_epi32(low[row], _mm256_slli_epi32(high[row], 16));
            __m128i sum =
                _mm_add_epi32(_mm256_castsi256_si128(sums), _mm256_extracti128_si256(sums, 1));
            sum = _mm_srai_epi32(_mm_add_epi32(sum, _mm_set1_epi32(weight_half)), weight_bits);
            sum = _mm_packus_epi16(_mm_packs_epi32(sum, sum), sum);
            const int pixel = _mm_cvtsi128_si32(sum);
            std::memcpy(to.bytes + row * to.stride + 3 * x, &pixel, 3);
        }
    }
}

[[maybe_unused]] void across_avx2(FromRows from, std::int64_t n, const Taps &taps,
                                  std::uint8_t *work, ToRows to) {
    lay_out_across(taps, reinterpret_cast<std::int16_t *>(work));
    constexpr int together = 4;
    std::int64_t row = 0;
    for (; row + together <= n; row += together) {
        across_rows_avx2<together>({from.bytes + row * from.stride, from.stride}, taps, work,
                                   {to.bytes + row * to.stride, to.stride});
    }
    for (; row < n; ++row) {
        across_rows_avx2<1>({from.bytes + row * from.stride, from.stride}, taps, work,
                            {to.bytes + row * to.stride, to.stride});
    }
}

// 32 columns of one new row. laid: for two taps, both low parts and both high parts.
inline void down_columns_avx2(FromRows from, std::int64_t count, const std::int32_t *laid,
                              std::uint8_t *to) {
    const __m256i zero = _mm256_setzero_si256();
    __m256i low[4] = {zero, zero, zero, zero}, high[4] = {zero, zero, zero, zero};
    for (std::int64_t tap = 0; tap < count; tap += 2) {
        const __m256i upper = bytes32(from.bytes + tap * from.stride);
        const __m256i lower = bytes32(from.bytes + (tap + 1) * from.stride);
        const __m256i first = _mm256_unpacklo_epi8(upper, lower);
        const __m256i second = _mm256_unpackhi_epi8(upper, lower);
        const __m256i paired[4] = {
            _mm256_unpacklo_epi8(first, zero), _mm256_unpackhi_epi8(first, zero),
            _mm256_unpacklo_epi8(second, zero), _mm256_unpackhi_epi8(second, zero)};
        const __m256i low_weights = _mm256_set1_epi32(laid[tap]);
        const __m256i high_weights = _mm256_set1_epi32(laid[tap + 1]);
        for (int part = 0; part < 4; ++part) {
            low[part] = _mm256_add_epi32(low[part], _mm256_madd_epi16(paired[part], low_weights));
            high[part] =
                _mm256_add_epi32(high[part], _mm256_madd_epi16(paired[part], high_weights));
        }
    }
    const __m256i left = _mm256_packs_epi32(rounded(low[0], high[0]), rounded(low[1], high[1]));
    const __m256i right = _mm256_packs_epi32(rounded(low[2], high[2]), rounded(low[3], high[3]));
    _mm256_storeu_si256(reinterpret_cast<__m256i *>(to), _mm256_packus_epi16(left, right));
}

[[maybe_unused]] void down_avx2(FromRows from, std::int64_t width, const Taps &taps,
                                std::uint8_t *work, ToRows to) {
    constexpr std::int64_t columns = 32;
    if (width < columns) {
        down_scalar(from, width, taps, work, to);
        return;
    }
    auto *laid = reinterpret_cast<std::int32_t *>(work);
    for (std::int64_t y = 0; y < taps.length; ++y) {
        for (std::int64_t tap = 0; tap < taps.count; tap += 2) {
            const Halves first(taps.weights[y * taps.count + tap]);
            const Halves second(taps.weights[y * taps.count + tap + 1]);
            const std::int16_t parts[4] = {first.low, second.low, first.high, second.high};
            std::memcpy(laid + tap, parts, sizeof parts);
        }
        const std::uint8_t *top = from.bytes + taps.starts[y] * from.stride;
        std::uint8_t *made = to.bytes + y * to.stride;
        for (std::int64_t left = 0; left < width; left += columns) {
            // The last columns may be computed twice.
            const std::int64_t at = left + columns <= width ? left : width - columns;
            down_columns_avx2({top + at, from.stride}, taps.count, laid, made + at);
        }
    }
}

} // namespace
} // namespace twinlens
