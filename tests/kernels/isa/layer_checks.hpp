// layer_checks.hpp - layers with weights of float32 or bfloat16, to the bit: sums by their
// definition, a norm, a residual and an attention by the layers that they are made of.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "check.hpp"
#include "float32_bits.hpp"
#include "operators_reference.hpp"
#include "pools.hpp"

namespace check {

// The layers of one instruction set, and the float32 layers of any. `Packed` is a linear layer with
// random weights: exact(x) gives its rows by the definition, of_byte(byte) a number of x.
template <typename Packed> struct LayerSet {
    const char *name;
    const typename Packed::Table &layers;
    const float32::Table &floats;
};

// x behind a norm, to the bit: an identity of float32 keeps each number.
inline Floats normed_by(const float32::Table &floats, const Floats &x, std::int64_t width,
                        const Norm &norm) {
    PackedLinear identity(width, width);
    for (std::int64_t n = 0; n < width; ++n) {
        for (std::int64_t k = 0; k < width; ++k) {
            identity.weights[(n / 32 * width + k) * 32 + n % 32] = n == k ? 1 : 0;
        }
        identity.bias[size(n)] = 0;
    }
    Floats out(x.size());
    floats.product(x.data(), static_cast<std::int64_t>(x.size()) / width, &norm, identity.linear(),
                   nullptr, out.data(), pool_of(1));
    return out;
}

template <typename Packed>
void check_product(const LayerSet<Packed> &set, std::int64_t rows, std::int64_t in,
                   std::int64_t out) {
    const Packed linear(in, out);
    const RandomNorm norm(in);
    const Norm given = norm.norm();
    const Floats x = normals(rows * in);
    const auto compute = [&](const Norm *own, const float *residual) {
        return [&set, &linear, own, residual](const float *from, std::int64_t n, float *to,
                                              const Pool &pool) {
            set.layers.product(from, n, own, linear.linear(), residual, to, pool);
        };
    };
    const Floats got = steady(compute(nullptr, nullptr), x, rows, in, out, set.name, "product");
    expect(same_bits(got, linear.exact(x)), "%s product: %lld rows, %lld by %lld", set.name,
           static_cast<long long>(rows), static_cast<long long>(in), static_cast<long long>(out));
    const Floats behind = steady(compute(&given, nullptr), x, rows, in, out, set.name, "norm");
    expect(same_bits(behind, linear.exact(normed_by(set.floats, x, in, given))), "%s norm",
           set.name);
    // A residual is added to the very same values, and may be the output itself.
    const Floats residual = normals(rows * out);
    Floats added = residual, wanted = got;
    compute(nullptr, added.data())(x.data(), rows, added.data(), pool_of(2));
    for (std::size_t i = 0; i < got.size(); ++i) {
        wanted[i] += residual[i];
    }
    expect(same_bits(added, wanted), "%s product: a residual", set.name);
}

template <typename Packed>
void check_bytes_product(const LayerSet<Packed> &set, std::int64_t rows, std::int64_t in,
                         std::int64_t out) {
    const Packed linear(in, out);
    std::vector<std::uint8_t> bytes;
    Floats x, got(size(rows * out));
    for (std::int64_t i = 0; i < rows * in; ++i) {
        bytes.push_back(static_cast<std::uint8_t>(whole(0, 255)));
        x.push_back(Packed::of_byte(bytes.back()));
    }
    set.layers.bytes_product(bytes.data(), rows, linear.linear(), got.data(), pool_of(3));
    expect(same_bits(got, linear.exact(x)), "%s bytes_product", set.name);
}

// One query of each item, as attention takes long in float64.
inline void check_attention(const char *name, const Attention &all, const Floats &mixed) {
    double off = 0;
    for (std::int64_t item = 0; item < all.batch; ++item) {
        const std::int64_t query = whole(0, all.queries - 1), head = whole(0, all.heads - 1);
        const std::vector<double> values = attended(all, item, head, query);
        const std::int64_t row = item * all.queries + query;
        const std::int64_t first = (row * all.heads + head) * all.head_width;
        for (std::int64_t i = 0; i < all.head_width; ++i) {
            const auto got = static_cast<double>(mixed[size(first + i)]);
            off = std::max(off, std::fabs(got - values[size(i)]));
        }
    }
    expect(off <= 2e-5, "%s attention: %lld tokens, off by %g", name,
           static_cast<long long>(all.queries), off);
}

// The same to the bit as its three parts, of which attention is checked in float64.
template <typename Packed>
void check_self_attention(const LayerSet<Packed> &set, std::int64_t batch, std::int64_t tokens,
                          std::int64_t heads, std::int64_t head_width, bool causal) {
    const std::int64_t width = heads * head_width, rows = batch * tokens, stride = 3 * width;
    const Packed qkv(width, stride), out_proj(width, width);
    const RandomNorm norm(width);
    const Norm given = norm.norm();
    const Floats x = normals(rows * width);
    Floats joined(size(rows * stride)), mixed(x.size()), wanted(x.size());
    const Pool pool = pool_of(1);
    set.layers.product(x.data(), rows, &given, qkv.linear(), nullptr, joined.data(), pool);
    const float *first = joined.data();
    const Attention all{first,  first + width, first + 2 * width, stride, stride, stride,
                        batch,  heads,         head_width,        tokens, tokens, causal,
                        nullptr};
    set.floats.attention(all, mixed.data(), pool);
    check_attention(set.name, all, mixed);
    set.layers.product(mixed.data(), rows, nullptr, out_proj.linear(), x.data(), wanted.data(),
                       pool);
    for (const int threads : {1, 2, 3, 7}) {
        Floats got(x.size(), NAN);
        set.layers.self_attention(x.data(), {batch, tokens, heads, causal, nullptr}, &given,
                                  qkv.linear(), out_proj.linear(), got.data(), pool_of(threads));
        expect(same_bits(got, wanted), "%s self_attention: %lld items of %lld tokens, %d threads",
               set.name, static_cast<long long>(batch), static_cast<long long>(tokens), threads);
    }
}

template <typename Packed> void check_nan(const LayerSet<Packed> &set, std::int64_t middle) {
    constexpr std::int64_t rows = 33, width = 64;
    const Packed fc1(width, middle), fc2(middle, width);
    Floats x = normals(rows * width), clean(x.size()), spoilt(x.size());
    const auto compute = [&](Floats &out) {
        set.layers.mlp(x.data(), rows, nullptr, fc1.linear(), Activation::gelu, fc2.linear(),
                       out.data(), pool_of(1));
    };
    compute(clean);
    x[7 * width + 3] = NAN;
    compute(spoilt);
    bool right = true;
    for (std::size_t i = 0; i < clean.size(); ++i) {
        right = right && (i / width == 7 ? std::isnan(spoilt[i]) : spoilt[i] == clean[i]);
    }
    expect(right, "%s mlp: a row with a NaN spoils others, or itself not", set.name);
}

// An empty batch writes nothing, whatever the threads.
template <typename Packed> void check_empty(const LayerSet<Packed> &set) {
    const Packed fc1(32, 96), fc2(96, 32), back(32, 32);
    const Floats none(1);
    for (const int threads : {1, 2, 3}) {
        Floats out(1, 7);
        const Pool pool = pool_of(threads);
        set.layers.product(none.data(), 0, nullptr, fc1.linear(), nullptr, out.data(), pool);
        set.layers.mlp(none.data(), 0, nullptr, fc1.linear(), Activation::gelu, fc2.linear(),
                       out.data(), pool);
        set.layers.self_attention(none.data(), {0, 7, 2, false, nullptr}, nullptr, fc1.linear(),
                                  back.linear(), out.data(), pool);
        expect(out[0] == 7, "%s: an empty batch by %d threads", set.name, threads);
    }
}

} // namespace check
