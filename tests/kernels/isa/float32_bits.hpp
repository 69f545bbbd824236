// float32_bits.hpp - the bits of every operator of float32 towers on fixed inputs, in one number,
// as common_bits.hpp has those of int8 towers.
#pragma once

#include <cmath>
#include <cstdint>

#include "common_bits.hpp"
#include "operators/operator_table.hpp"

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

} // namespace check
