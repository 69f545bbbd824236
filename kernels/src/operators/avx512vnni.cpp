// avx512vnni.cpp - the operators by AVX-512 VNNI: 64 products of a code and a weight at once.

#include <cstring>

#include <immintrin.h>

#include "../processor.hpp"
#include "attention_avx512.hpp"
#include "linear.hpp"
#include "path.hpp"

namespace twinlens::operators {
namespace {

inline __m512i quad(const std::uint8_t *codes) {
    int four;
    std::memcpy(&four, codes, sizeof four);
    return _mm512_set1_epi32(four);
}

struct Vnni {
    struct Session {
        // Not trivial, so that nobody warns of a value that is only held.
        Session() {} // NOLINT
    };
    static constexpr bool overlaps = false;

    // `rows` rows by 32 outputs: with 12, 24 sums and 14 loads for 24 products.
    template <int rows, typename Between>
    static void some(const std::uint8_t *codes, std::int64_t stride, const std::int8_t *left,
                     const std::int8_t *right, std::int64_t steps, const std::int32_t *start,
                     std::int32_t *sums, const Between &between) {
        __m512i lefts[rows], rights[rows];
        for (int i = 0; i < rows; ++i) {
            lefts[i] = _mm512_load_si512(start);
            rights[i] = _mm512_load_si512(start + 16);
        }
        for (std::int64_t step = 0; step < steps; ++step) {
            between();
            for (int k = 0; k < 16; ++k, codes += 4, left += 64, right += 64) {
                const __m512i left_weights = _mm512_loadu_si512(left);
                const __m512i right_weights = _mm512_loadu_si512(right);
                for (int i = 0; i < rows; ++i) {
                    const __m512i own = quad(codes + i * stride);
                    lefts[i] = _mm512_dpbusd_epi32(lefts[i], own, left_weights);
                    rights[i] = _mm512_dpbusd_epi32(rights[i], own, right_weights);
                }
            }
        }
        for (int i = 0; i < rows; ++i) {
            _mm512_store_si512(sums + i * block_side, lefts[i]);
            _mm512_store_si512(sums + i * block_side + 16, rights[i]);
        }
    }

    template <typename Between>
    static void sums(const std::uint8_t *codes, std::int64_t stride, std::int64_t rows,
                     const std::int8_t *left, const std::int8_t *right, std::int64_t steps,
                     const std::int32_t *start, std::int32_t *to, const Between &between) {
        constexpr auto nothing = [] {};
        some<12>(codes, stride, left, right, steps, start, to, between);
        if (rows > 12) {
            some<12>(codes + 12 * stride, stride, left, right, steps, start, to + 12 * block_side,
                     nothing);
        }
        if (rows > 24) {
            some<8>(codes + 24 * stride, stride, left, right, steps, start, to + 24 * block_side,
                    nothing);
        }
    }
};

constexpr Path path{"avx512vnni", product<Vnni>, bytes_product<Vnni>, mlp<Vnni>, attention};

} // namespace

const Path *avx512vnni_path() { return processor().avx512vnni ? &path : nullptr; }

} // namespace twinlens::operators
