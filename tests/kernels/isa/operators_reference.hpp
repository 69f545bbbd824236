// operators_reference.hpp - random layers, and the formulas of operators/compute.hpp in float64.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "check.hpp"
#include "operators/compute.hpp"

namespace check {

using namespace twinlens::operators;
using Floats = std::vector<float>;

inline std::size_t size(std::int64_t n) { return static_cast<std::size_t>(n); }

// A linear layer with random weights, packed as compute.hpp says.
struct RandomLinear {
    std::int64_t in, out;
    std::vector<std::int64_t> weights; // [out, in]
    Aligned<std::int8_t> codes;
    Floats scales, bias;
    std::vector<std::int32_t> sums;

    RandomLinear(std::int64_t in_, std::int64_t out_)
        : in(in_), out(out_), codes((out + 15) / 16 * ((in + 63) / 64) * 1024),
          scales(normals(out)), bias(normals(out)), sums(size(out)) {
        for (std::int64_t n = 0; n < out; ++n) {
            scales[size(n)] =
                std::fabs(scales[size(n)]) / (127 * std::sqrt(static_cast<float>(in)));
            for (std::int64_t k = 0; k < in; ++k) {
                // Of a bell in odd outputs, as those of a trained layer.
                const std::int64_t bell =
                    (whole(-127, 127) + whole(-127, 127) + whole(-127, 127)) / 3;
                weights.push_back(0);
                set(n, k, n == 0 ? 127 : n == 1 ? -127 : n % 2 == 1 ? bell : whole(-127, 127));
            }
        }
        sums_of(codes.data(), in, out, sums.data());
    }

    void set(std::int64_t n, std::int64_t k, std::int64_t weight) {
        weights[size(n * in + k)] = weight;
        codes[((n / 16 * ((in + 63) / 64) + k / 64) * 16 + k % 64 / 4) * 64 + n % 16 * 4 + k % 4] =
            static_cast<std::int8_t>(weight);
    }

    // Of weights that were set: scales of 1, and no bias.
    void finish() {
        scales.assign(scales.size(), 1);
        bias.assign(bias.size(), 0);
        sums_of(codes.data(), in, out, sums.data());
    }

    Linear linear() const {
        return {codes.data(), scales.data(), bias.data(), sums.data(), in, out};
    }

    // Of whole numbers, of which one is worth `step`.
    double value(const std::vector<std::int64_t> &whole_numbers, double step,
                 std::int64_t n) const {
        std::int64_t sum = 0;
        for (std::int64_t k = 0; k < in; ++k) {
            sum += whole_numbers[size(k)] * weights[size(n * in + k)];
        }
        return step * static_cast<double>(scales[size(n)]) * static_cast<double>(sum) +
               static_cast<double>(bias[size(n)]);
    }
};

struct RandomNorm {
    Floats scale, bias;

    explicit RandomNorm(std::int64_t width) : scale(normals(width, 0.25F)), bias(normals(width)) {
        for (float &one : scale) {
            one += 1;
        }
    }

    Norm norm() const { return {scale.data(), bias.data(), 1e-5F}; }
};

inline Floats normed(const Floats &x, std::int64_t width, const RandomNorm *norm) {
    if (norm == nullptr) {
        return x;
    }
    Floats out(x.size());
    for (std::size_t first = 0; first < x.size(); first += size(width)) {
        double sum = 0, squares = 0;
        for (std::size_t i = first; i < first + size(width); ++i) {
            sum += static_cast<double>(x[i]);
        }
        const double mean = sum / static_cast<double>(width);
        for (std::size_t i = first; i < first + size(width); ++i) {
            squares += (static_cast<double>(x[i]) - mean) * (static_cast<double>(x[i]) - mean);
        }
        const double inverse = 1 / std::sqrt(squares / static_cast<double>(width) + 1e-5);
        for (std::size_t i = first; i < first + size(width); ++i) {
            out[i] = static_cast<float>((static_cast<double>(x[i]) - mean) * inverse *
                                            static_cast<double>(norm->scale[i - first]) +
                                        static_cast<double>(norm->bias[i - first]));
        }
    }
    return out;
}

// linear(x), rows quantised as compute.hpp says: 127 levels on either side, or 255 above `low`.
inline Floats quantised_linear(const Floats &x, const RandomLinear &linear, bool from_lowest) {
    Floats out;
    const float levels = from_lowest ? 255.0F : 127.0F;
    for (std::size_t first = 0; first < x.size(); first += size(linear.in)) {
        float r = 1e-30F;
        for (std::size_t i = first; i < first + size(linear.in); ++i) {
            r = std::max(r, std::fabs(x[i]));
        }
        std::vector<std::int64_t> codes;
        for (std::size_t i = first; i < first + size(linear.in); ++i) {
            codes.push_back(static_cast<std::int64_t>(std::nearbyint(x[i] / r * levels)));
        }
        for (std::int64_t n = 0; n < linear.out; ++n) {
            out.push_back(static_cast<float>(
                linear.value(codes, static_cast<double>(r) / static_cast<double>(levels), n)));
        }
    }
    return out;
}

inline double activated(Activation activation, double x) {
    switch (activation) {
    case Activation::quick_gelu:
        return x / (1 + std::exp(-1.702 * x));
    case Activation::gelu:
        return x * std::erfc(-x / std::sqrt(2.0)) / 2;
    case Activation::gelu_tanh:
        return x *
               (1 + std::tanh(std::sqrt(2 / 3.14159265358979323846) * (x + 0.044715 * x * x * x))) /
               2;
    }
    return x;
}

// softmax(q k^T) v of one query, in float64.
inline std::vector<double> attended(const Attention &all, std::int64_t item, std::int64_t head,
                                    std::int64_t query) {
    std::int64_t keys = all.counts == nullptr ? all.keys : all.counts[item];
    keys = all.causal ? std::min(query + 1, keys) : keys;
    const std::int64_t at = head * all.head_width;
    const float *q = all.query + (item * all.queries + query) * all.query_stride + at;
    std::vector<double> scores, sums(size(all.head_width));
    double most = -std::numeric_limits<double>::infinity(), total = 0;
    for (std::int64_t key = 0; key < keys; ++key) {
        const float *k = all.key + (item * all.keys + key) * all.key_stride + at;
        double score = 0;
        for (std::int64_t i = 0; i < all.head_width; ++i) {
            score += static_cast<double>(q[i]) * static_cast<double>(k[i]);
        }
        scores.push_back(score);
        most = std::max(most, score);
    }
    for (std::int64_t key = 0; key < keys; ++key) {
        const float *v = all.value + (item * all.keys + key) * all.value_stride + at;
        const double share = std::exp(scores[size(key)] - most);
        total += share;
        for (std::int64_t i = 0; i < all.head_width; ++i) {
            sums[size(i)] += share * static_cast<double>(v[i]);
        }
    }
    for (double &sum : sums) {
        sum = keys == 0 ? 0 : sum / total;
    }
    return sums;
}

} // namespace check
