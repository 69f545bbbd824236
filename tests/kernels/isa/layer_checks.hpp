// layer_checks.hpp - layers with weights of float32 or bfloat16, to the bit: sums by their
// definition, a norm, a residual and an attention by the layers that they are made of; and the bits
// of each on fixed inputs, in one number, as common_bits.hpp has those of int8 towers.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "check.hpp"
#include "common_bits.hpp"
#include "operators/operator_table.hpp"
#include "operators_reference.hpp"
#include "pools.hpp"

namespace check {

// A linear layer with random weights, packed as float32/layers.hpp says.
struct PackedLinear {
    using Table = float32::Table;

    std::int64_t in, out;
    Aligned<float> weights;
    Floats bias;

    PackedLinear(std::int64_t in_, std::int64_t out_)
        : PackedLinear(in_, out_, normals((in_ + 1) * out_)) {}
    PackedLinear(Draws &draws, std::int64_t in_, std::int64_t out_)
        : PackedLinear(in_, out_, draws.numbers((in_ + 1) * out_)) {}

    float weight(std::int64_t n, std::int64_t k) const { return weights[place(n, k)]; }

    float32::Linear linear() const { return {weights.data(), bias.data(), in, out}; }

    static float of_byte(std::uint8_t byte) { return byte; }

    // Sums of products by std::fma, in the order of the inputs, and the bias.
    Floats exact(const Floats &x) const {
        Floats rows;
        for (std::size_t first = 0; first < x.size(); first += size(in)) {
            for (std::int64_t n = 0; n < out; ++n) {
                float sum = 0;
                for (std::int64_t k = 0; k < in; ++k) {
                    sum = std::fma(x[first + size(k)], weight(n, k), sum);
                }
                rows.push_back(sum + bias[size(n)]);
            }
        }
        return rows;
    }

  private:
    PackedLinear(std::int64_t in_, std::int64_t out_, const Floats &numbers)
        : in(in_), out(out_), weights((out + 31) / 32 * in * 32),
          bias(numbers.end() - out, numbers.end()) {
        for (std::int64_t n = 0; n < out; ++n) {
            for (std::int64_t k = 0; k < in; ++k) {
                weights[place(n, k)] = numbers[size(n * in + k)] / 16;
            }
        }
    }

    std::int64_t place(std::int64_t n, std::int64_t k) const {
        return (n / 32 * in + k) * 32 + n % 32;
    }
};

// Of layers of float32 towers, or of others with the same functions on their own packed weights.
template <typename Packed, typename Layers>
std::uint64_t layer_bits_of(const Layers &layers, const Pool &pool) {
    Digest digest;
    Draws draws(3);
    for (const std::int64_t in : {8, 60, 300}) {
        for (const std::int64_t out : {2, 33, 72}) {
            const std::int64_t rows = 16 + draws.below(32);
            const Packed linear(draws, in, out), back(draws, out, in);
            const Floats scale = draws.numbers(in), bias = draws.numbers(in);
            const Norm norm{scale.data(), bias.data(), 1e-5F};
            const Floats x = hard_rows(draws, rows, in), residual = draws.numbers(rows * out);
            Floats wide(size(rows * out)), same(x.size());
            layers.product(x.data(), rows, nullptr, linear.linear(), residual.data(), wide.data(),
                           pool);
            digest.add(wide);
            for (const Activation activation :
                 {Activation::quick_gelu, Activation::gelu, Activation::gelu_tanh}) {
                for (const Norm *own : {&norm, static_cast<const Norm *>(nullptr)}) {
                    layers.mlp(x.data(), rows, own, linear.linear(), activation, back.linear(),
                               same.data(), pool);
                    digest.add(same);
                }
            }
        }
    }
    for (const std::int64_t tokens : {1, 16, 77}) {
        const Packed qkv(draws, 96, 288), out_proj(draws, 96, 96);
        const Floats scale = draws.numbers(96), bias = draws.numbers(96);
        const Norm norm{scale.data(), bias.data(), 1e-5F};
        const Floats x = hard_rows(draws, 2 * tokens, 96);
        Floats out(x.size());
        layers.self_attention(x.data(), {2, tokens, 4, tokens == 77, nullptr}, &norm, qkv.linear(),
                              out_proj.linear(), out.data(), pool);
        digest.add(out);
    }
    return digest.value();
}

inline std::uint64_t float_bits_of(const OperatorTable &table, const Pool &pool) {
    return layer_bits_of<PackedLinear>(table.floats, pool);
}

// Of norms and unit rows, which have no weights: of all widths up to some vectors, and of those of
// models.
inline std::uint64_t row_bits_of(const OperatorTable &table, const Pool &pool) {
    Digest digest;
    Draws draws(4);
    std::vector<std::int64_t> widths{512, 768, 1024, 1152, 1280};
    for (std::int64_t width = 1; width <= 131; ++width) {
        widths.push_back(width);
    }
    for (const std::int64_t width : widths) {
        const std::int64_t rows = 16;
        const Floats x = hard_rows(draws, rows, width);
        const Floats scale = draws.numbers(width), bias = draws.numbers(width);
        Floats out(x.size());
        for (const float epsilon : {0.0F, 1e-6F}) {
            table.floats.norm(x.data(), rows, width, {scale.data(), bias.data(), epsilon},
                              out.data(), pool);
            digest.add(out);
        }
        table.floats.unit_rows(x.data(), rows, width, out.data(), pool);
        digest.add(out);
    }
    return digest.value();
}

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
