// avx512.hpp - both passes of resample/pass.hpp by AVX-512 VNNI: weights as three bytes.
//
// Contract: taps.count is a multiple of taps_together.
#pragma once

#include <cstdint>
#include <cstring>

#include <immintrin.h>

#include "resample/pass.hpp"
#include "resample/weight_bytes.hpp"

namespace twinlens {
namespace {

constexpr std::int64_t wide_pixels = 16; // of four bytes each, in a register

inline __m512i sum_of_planes(const __m512i (&sums)[planes]) {
    return _mm512_add_epi32(
        sums[0], _mm512_add_epi32(_mm512_slli_epi32(sums[1], 8), _mm512_slli_epi32(sums[2], 16)));
}

inline __m512i rounded(__m512i sums) {
    return _mm512_srai_epi32(_mm512_add_epi32(sums, _mm512_set1_epi32(weight_half)), weight_bits);
}

// For 16 taps [planes][4 quarters][4 channels][4 taps of that quarter]; missing taps weigh 0.
inline void lay_out_across(const Taps &taps, std::uint8_t *laid) {
    constexpr std::int64_t plane_bytes = 4 * wide_pixels;
    for (std::int64_t x = 0; x < taps.length; ++x) {
        const std::int32_t *weights = taps.weights + x * taps.count;
        for (std::int64_t tap = 0; tap < taps.count; tap += wide_pixels) {
            std::memset(laid, 0, planes * plane_bytes);
            for (std::int64_t at = tap; at < taps.count && at < tap + wide_pixels; ++at) {
                const Bytes bytes(weights[at]);
                for (std::int64_t plane = 0; plane < planes; ++plane) {
                    std::uint8_t *quarter = laid + plane * plane_bytes + (at - tap) / 4 * 16;
                    for (std::int64_t channel = 0; channel < 4; ++channel) {
                        quarter[4 * channel + at % 4] =
                            static_cast<std::uint8_t>(bytes.parts[plane]);
                    }
                }
            }
            laid += planes * plane_bytes;
        }
    }
}

// Sums of the four 128-bit quarters of each of four registers, one register a quarter.
inline __m512i four_rows(const __m512i (&rows)[4]) {
    const auto halved = [](__m512i a, __m512i b) {
        return _mm512_add_epi32(_mm512_shuffle_i64x2(a, b, 0x88), _mm512_shuffle_i64x2(a, b, 0xdd));
    };
    return halved(halved(rows[0], rows[1]), halved(rows[2], rows[3]));
}

// 4 rows at once; with a stride of 0, the same row 4 times.
inline void across_rows_avx512(FromRows from, const Taps &taps, const std::uint8_t *laid,
                               ToRows to) {
    constexpr int rows = 4;
    const __m512i by_channel =
        _mm512_broadcast_i32x4(_mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15));
    const std::int64_t groups = (taps.count + wide_pixels - 1) / wide_pixels;
    const std::int64_t beyond = groups * wide_pixels - taps.count;
    const __mmask64 all = ~__mmask64{0}, last = all >> (4 * beyond);
    for (std::int64_t x = 0; x < taps.length; ++x) {
        const std::uint8_t *pixels = from.bytes + 4 * taps.starts[x];
        __m512i sums[rows][planes];
        for (auto &row_sums : sums) {
            for (__m512i &sum : row_sums) {
                sum = _mm512_setzero_si512();
            }
        }
        for (std::int64_t group = 0; group < groups; ++group, pixels += 64, laid += 64 * planes) {
            const __mmask64 there = group + 1 < groups ? all : last;
            const __m512i weights[planes] = {_mm512_loadu_si512(laid),
                                             _mm512_loadu_si512(laid + 64),
                                             _mm512_loadu_si512(laid + 128)};
            for (int row = 0; row < rows; ++row) {
                const __m512i bytes = _mm512_shuffle_epi8(
                    _mm512_maskz_loadu_epi8(there, pixels + row * from.stride), by_channel);
                for (int plane = 0; plane < planes; ++plane) {
                    sums[row][plane] = _mm512_dpbusd_epi32(sums[row][plane], bytes, weights[plane]);
                }
            }
        }
        const __m512i totals[rows] = {sum_of_planes(sums[0]), sum_of_planes(sums[1]),
                                      sum_of_planes(sums[2]), sum_of_planes(sums[3])};
        const __m512i made = _mm512_max_epi32(rounded(four_rows(totals)), _mm512_setzero_si512());
        alignas(16) std::uint8_t four_pixels[16];
        _mm_store_si128(reinterpret_cast<__m128i *>(four_pixels), _mm512_cvtusepi32_epi8(made));
        for (int row = 0; row < rows; ++row) {
            std::memcpy(to.bytes + row * to.stride + 3 * x, four_pixels + 4 * row, 3);
        }
    }
}

[[maybe_unused]] void across_avx512(FromRows from, std::int64_t n, const Taps &taps,
                                    std::uint8_t *work, ToRows to) {
    lay_out_across(taps, work);
    constexpr std::int64_t together = 4;
    std::int64_t row = 0;
    for (; row + together <= n; row += together) {
        across_rows_avx512({from.bytes + row * from.stride, from.stride}, taps, work,
                           {to.bytes + row * to.stride, to.stride});
    }
    for (; row < n; ++row) {
        across_rows_avx512({from.bytes + row * from.stride, 0}, taps, work,
                           {to.bytes + row * to.stride, 0});
    }
}

// Up to 64 columns of one new row. laid: for four taps [planes][4 bytes].
inline void down_columns_avx512(FromRows from, __mmask64 there, std::int64_t count,
                                const std::int32_t *laid, std::uint8_t *to) {
    __m512i sums[4][planes];
    for (auto &part_sums : sums) {
        for (__m512i &sum : part_sums) {
            sum = _mm512_setzero_si512();
        }
    }
    for (std::int64_t tap = 0; tap < count; tap += 4, laid += planes) {
        __m512i rows[4];
        for (int row = 0; row < 4; ++row) {
            rows[row] = _mm512_maskz_loadu_epi8(there, from.bytes + (tap + row) * from.stride);
        }
        const __m512i upper_left = _mm512_unpacklo_epi8(rows[0], rows[1]);
        const __m512i upper_right = _mm512_unpackhi_epi8(rows[0], rows[1]);
        const __m512i lower_left = _mm512_unpacklo_epi8(rows[2], rows[3]);
        const __m512i lower_right = _mm512_unpackhi_epi8(rows[2], rows[3]);
        const __m512i quads[4] = {_mm512_unpacklo_epi16(upper_left, lower_left),
                                  _mm512_unpackhi_epi16(upper_left, lower_left),
                                  _mm512_unpacklo_epi16(upper_right, lower_right),
                                  _mm512_unpackhi_epi16(upper_right, lower_right)};
        for (int plane = 0; plane < planes; ++plane) {
            const __m512i weights = _mm512_set1_epi32(laid[plane]);
            for (int part = 0; part < 4; ++part) {
                sums[part][plane] = _mm512_dpbusd_epi32(sums[part][plane], quads[part], weights);
            }
        }
    }
    const auto made = [&](int part) { return rounded(sum_of_planes(sums[part])); };
    const __m512i left = _mm512_packs_epi32(made(0), made(1));
    const __m512i right = _mm512_packs_epi32(made(2), made(3));
    _mm512_mask_storeu_epi8(to, there, _mm512_packus_epi16(left, right));
}

[[maybe_unused]] void down_avx512(FromRows from, std::int64_t width, const Taps &taps,
                                  std::uint8_t *work, ToRows to) {
    constexpr std::int64_t columns = 64;
    auto *laid = reinterpret_cast<std::int32_t *>(work);
    for (std::int64_t y = 0; y < taps.length; ++y) {
        for (std::int64_t tap = 0; tap < taps.count; ++tap) {
            const Bytes bytes(taps.weights[y * taps.count + tap]);
            for (std::int64_t plane = 0; plane < planes; ++plane) {
                work[(tap / 4 * planes + plane) * 4 + tap % 4] =
                    static_cast<std::uint8_t>(bytes.parts[plane]);
            }
        }
        const std::uint8_t *top = from.bytes + taps.starts[y] * from.stride;
        for (std::int64_t left = 0; left < width; left += columns) {
            const std::int64_t beyond = left + columns - width;
            const __mmask64 there = ~__mmask64{0} >> (beyond > 0 ? beyond : 0);
            down_columns_avx512({top + left, from.stride}, there, taps.count, laid,
                                to.bytes + y * to.stride + left);
        }
    }
}

} // namespace
} // namespace twinlens
