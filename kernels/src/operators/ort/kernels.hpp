// kernels.hpp - one class for each operator: checks of its inputs, and the call of compute.hpp.
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "operators/compute.hpp"
#include "operators/ort/call.hpp"
#include "operators/ort/refusal.hpp"
#include "operators/ort/stored_weights.hpp"

namespace twinlens::ort {

using operators::Activation;

// The functions and weights of int8 towers, of float32 towers and of bf16 towers.
struct Int8 {
    using Weight = CodedWeight;
    static constexpr auto *product = operators::product;
    static constexpr auto *bytes_product = operators::bytes_product;
    static constexpr auto *mlp = operators::mlp;
    static constexpr auto *attention = operators::attention;
    static constexpr auto *self_attention = operators::self_attention;
};

struct Float32 {
    using Weight = FloatWeight;
    static constexpr auto *product = operators::float32::product;
    static constexpr auto *bytes_product = operators::float32::bytes_product;
    static constexpr auto *mlp = operators::float32::mlp;
    static constexpr auto *attention = operators::float32::attention;
    static constexpr auto *self_attention = operators::float32::self_attention;
};

struct Bf16 {
    using Weight = Bf16Weight;
    static constexpr auto *product = operators::bf16::product;
    static constexpr auto *bytes_product = operators::bf16::bytes_product;
    static constexpr auto *mlp = operators::bf16::mlp;
    static constexpr auto *attention = operators::bf16::attention;
    static constexpr auto *self_attention = operators::bf16::self_attention;
};

// An operator of a node. The constructor checks all that the model stores, `compute` in constant
// time what only a run knows: the shapes of its inputs.
struct Kernel {
    explicit Kernel(const NodeInfo &node) : name(node.name()) {}
    Kernel(const Kernel &) = delete;
    Kernel &operator=(const Kernel &) = delete;
    virtual ~Kernel() = default;
    virtual void compute(const Call &call) const = 0;

    Input input(std::size_t index, const char *role) const { return {name, index, role}; }

    // Tokens of input 0, whose last side is `width`.
    Tensor tokens(const Call &call, std::int64_t width) const {
        const Input at = input(0, "tokens");
        Tensor x = call.input(at);
        if (x.dims.empty() || x.dims.back() != width) {
            throw refusal(at, "of shape " + shape_text(x.dims),
                          "[..., " + std::to_string(width) + "]");
        }
        return x;
    }

    const char *name;
};

inline std::vector<std::int64_t> with_last(std::vector<std::int64_t> dims, std::int64_t last) {
    dims.back() = last;
    return dims;
}

struct FloatNorm : Kernel {
    explicit FloatNorm(const NodeInfo &node) : Kernel(node), norm(node, true) {}

    void compute(const Call &call) const override {
        const Tensor x = tokens(call, norm.width());
        float *out = call.output(x.dims);
        operators::float32::norm(x.floats(), x.rows(), norm.width(), *norm.norm(), out,
                                 call.pool());
    }

    StoredNorm norm;
};

struct FloatUnitRows : Kernel {
    explicit FloatUnitRows(const NodeInfo &node) : Kernel(node) {}

    void compute(const Call &call) const override {
        const Input at = input(0, "rows");
        const Tensor x = call.input(at);
        if (x.dims.empty()) {
            throw refusal(at, "of shape []", "[..., width]");
        }
        float *out = call.output(x.dims);
        operators::float32::unit_rows(x.floats(), x.rows(), x.dims.back(), out, call.pool());
    }
};

template <typename Kind> struct BytesLinear : Kernel {
    explicit BytesLinear(const NodeInfo &node) : Kernel(node), weight(node, 1, "inputs") {}

    void compute(const Call &call) const override {
        const auto linear = weight.linear();
        const Tensor x = tokens(call, linear.in);
        float *out = call.output(with_last(x.dims, linear.out));
        Kind::bytes_product(static_cast<const std::uint8_t *>(x.data), x.rows(), linear, out,
                            call.pool());
    }

    typename Kind::Weight weight;
};

template <typename Kind, bool normed, bool adding> struct LinearKernel : Kernel {
    explicit LinearKernel(const NodeInfo &node)
        : Kernel(node), norm(node, normed), weight(node, normed ? 3 : 1, "inputs") {}

    void compute(const Call &call) const override {
        const auto linear = weight.linear();
        const Tensor x = tokens(call, linear.in);
        const std::vector<std::int64_t> dims = with_last(x.dims, linear.out);
        Tensor residual;
        if (adding) {
            const Input at = input(1 + Kind::Weight::inputs, "residual");
            residual = call.input(at);
            require_shape(at, residual.dims, dims);
        }
        float *out = call.output(dims);
        Kind::product(x.floats(), x.rows(), norm.norm(), linear, residual.floats(), out,
                      call.pool());
    }

    StoredNorm norm;
    typename Kind::Weight weight;
};

inline Activation activation_of(const NodeInfo &node) {
    const std::string name = node.text("activation");
    if (name == "quick_gelu") {
        return Activation::quick_gelu;
    }
    if (name == "gelu") {
        return Activation::gelu;
    }
    if (name == "gelu_tanh") {
        return Activation::gelu_tanh;
    }
    throw refusal(node.name(), "attribute activation", quoted(name),
                  "quick_gelu, gelu or gelu_tanh");
}

template <typename Kind, bool normed> struct MlpAdd : Kernel {
    // Of both weights, among the inputs.
    static constexpr std::size_t first = normed ? 3 : 1, second = first + Kind::Weight::inputs;

    explicit MlpAdd(const NodeInfo &node)
        : Kernel(node), norm(node, normed), activation(activation_of(node)),
          fc1(node, first, "inputs"), fc2(node, second, "middle") {
        fc1.require_outputs(node, first, fc2.linear().in);
        fc2.require_outputs(node, second, fc1.linear().in);
    }

    void compute(const Call &call) const override {
        const Tensor x = tokens(call, fc1.linear().in);
        float *out = call.output(x.dims);
        Kind::mlp(x.floats(), x.rows(), norm.norm(), fc1.linear(), activation, fc2.linear(), out,
                  call.pool());
    }

    StoredNorm norm;
    Activation activation;
    typename Kind::Weight fc1, fc2;
};

// More heads than a width has elements divide no width.
inline std::int64_t heads_of(const NodeInfo &node) {
    return node.integer("heads", 1, std::numeric_limits<std::int32_t>::max());
}

template <typename Kind, bool pooled, bool counted, bool causal> struct AttentionKernel : Kernel {
    explicit AttentionKernel(const NodeInfo &node) : Kernel(node), heads(heads_of(node)) {}

    void compute(const Call &call) const override {
        constexpr std::int64_t parts = pooled ? 2 : 3;
        const Input at = input(pooled ? 1 : 0, pooled ? "keys and values" : "tokens");
        const Tensor joined = call.input(at);
        const Tensor first = pooled ? call.input(input(0, "queries")) : joined;
        if (joined.dims.size() != 3 || joined.dims[2] == 0 ||
            joined.dims[2] % (parts * heads) != 0) {
            throw refusal(at, "of shape " + shape_text(joined.dims),
                          "[batch, tokens, a multiple of " + std::to_string(parts) + " * " +
                              std::to_string(heads) + " heads]");
        }
        const std::int64_t batch = joined.dims[0], keys = joined.dims[1];
        const std::int64_t width = joined.dims[2] / parts;
        if (pooled) {
            require_shape(input(0, "queries"), first.dims, {batch, 1, width});
        }
        Tensor counts;
        if (counted) {
            const Input counts_at = input(pooled ? 2 : 1, "counts");
            counts = call.input(counts_at);
            require_shape(counts_at, counts.dims, {batch});
        }
        operators::Attention attention{};
        attention.query = first.floats();
        attention.key = joined.floats() + (pooled ? 0 : width);
        attention.value = attention.key + width;
        attention.query_stride = first.dims[2];
        attention.key_stride = attention.value_stride = joined.dims[2];
        attention.batch = batch;
        attention.heads = heads;
        attention.head_width = width / heads;
        attention.queries = pooled ? 1 : keys;
        attention.keys = keys;
        attention.causal = causal;
        attention.counts = static_cast<const std::int64_t *>(counts.data);
        float *out = call.output({batch, attention.queries, width});
        Kind::attention(attention, out, call.pool());
    }

    std::int64_t heads;
};

template <typename Kind, bool causal> struct AttentionAdd : Kernel {
    // Of both weights, among the inputs.
    static constexpr std::size_t first = 3, second = first + Kind::Weight::inputs;

    explicit AttentionAdd(const NodeInfo &node)
        : Kernel(node), norm(node, true), heads(heads_of(node)), qkv(node, first, "inputs"),
          out_proj(node, second, "middle") {
        const std::int64_t width = qkv.linear().in;
        if (width % heads != 0 || width % 32 != 0) {
            throw refusal(node.name(), "attribute inputs", std::to_string(width),
                          "a multiple of 32 and of " + std::to_string(heads) + " heads");
        }
        node.integer("middle", width, width);
        qkv.require_outputs(node, first, 3 * width);
        out_proj.require_outputs(node, second, width);
    }

    void compute(const Call &call) const override {
        const std::int64_t width = qkv.linear().in;
        const Tensor x = tokens(call, width);
        if (x.dims.size() != 3) {
            throw refusal(input(0, "tokens"), "of shape " + shape_text(x.dims),
                          "[batch, tokens, " + std::to_string(width) + "]");
        }
        const operators::Tokens all{x.dims[0], x.dims[1], heads, causal, nullptr};
        float *out = call.output(x.dims);
        Kind::self_attention(x.floats(), all, norm.norm(), qkv.linear(), out_proj.linear(), out,
                             call.pool());
    }

    StoredNorm norm;
    std::int64_t heads;
    typename Kind::Weight qkv, out_proj;
};

} // namespace twinlens::ort
