// kernels.hpp - one class for each operator: checks of its inputs, and the call of compute.hpp.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

#include "operators/compute.hpp"
#include "operators/ort/call.hpp"
#include "operators/ort/stored_weights.hpp"

namespace twinlens::ort {

using operators::Activation;

struct Kernel {
    virtual ~Kernel() = default;
    virtual void compute(const Call &call) const = 0;
};

inline void require_width(const Tensor &tokens, std::int64_t width) {
    if (tokens.last() != width) {
        throw std::invalid_argument("an operator of twinlens got tokens of another width");
    }
}

inline std::vector<std::int64_t> with_last(std::vector<std::int64_t> dims, std::int64_t last) {
    dims.back() = last;
    return dims;
}

struct BytesLinear : Kernel {
    explicit BytesLinear(const NodeInfo &node) : weight(node, 1, node.integer("inputs")) {}

    void compute(const Call &call) const override {
        const Tensor x = call.input(0);
        const Linear linear = weight.linear();
        require_width(x, linear.in);
        float *out = call.output(with_last(x.dims, linear.out));
        operators::bytes_product(static_cast<const std::uint8_t *>(x.data), x.rows(), linear, out,
                                 call.pool());
    }

    Weight weight;
};

template <bool normed, bool adding> struct LinearKernel : Kernel {
    explicit LinearKernel(const NodeInfo &node)
        : norm(node, normed), weight(node, normed ? 3 : 1, node.integer("inputs")) {}

    void compute(const Call &call) const override {
        const Tensor x = call.input(0);
        const Linear linear = weight.linear();
        require_width(x, linear.in);
        const Tensor residual = adding ? call.input(4) : Tensor{};
        if (adding && (residual.last() != linear.out || residual.rows() != x.rows())) {
            throw std::invalid_argument("LinearAdd adds to tokens of another shape");
        }
        float *out = call.output(with_last(x.dims, linear.out));
        operators::product(x.floats(), x.rows(), norm.norm(), linear, residual.floats(), out,
                           call.pool());
    }

    StoredNorm norm;
    Weight weight;
};

inline Activation activation_of(const std::string &name) {
    if (name == "quick_gelu") {
        return Activation::quick_gelu;
    }
    if (name == "gelu") {
        return Activation::gelu;
    }
    if (name == "gelu_tanh") {
        return Activation::gelu_tanh;
    }
    throw std::invalid_argument("an operator of twinlens has an unknown activation");
}

template <bool normed> struct MlpAdd : Kernel {
    explicit MlpAdd(const NodeInfo &node)
        : norm(node, normed), activation(activation_of(node.text("activation"))),
          fc1(node, normed ? 3 : 1, node.integer("inputs")),
          fc2(node, normed ? 6 : 4, node.integer("middle")) {
        const Linear first = fc1.linear(), second = fc2.linear();
        if (first.out != second.in || first.in != second.out) {
            throw std::invalid_argument("the two weights of an MLP do not fit");
        }
    }

    void compute(const Call &call) const override {
        const Tensor x = call.input(0);
        require_width(x, fc1.linear().in);
        float *out = call.output(x.dims);
        operators::mlp(x.floats(), x.rows(), norm.norm(), fc1.linear(), activation, fc2.linear(),
                       out, call.pool());
    }

    StoredNorm norm;
    Activation activation;
    Weight fc1, fc2;
};

template <bool pooled, bool counted, bool causal> struct AttentionKernel : Kernel {
    explicit AttentionKernel(const NodeInfo &node) : heads(node.integer("heads")) {}

    void compute(const Call &call) const override {
        constexpr std::int64_t parts = pooled ? 2 : 3;
        const Tensor first = call.input(0), joined = pooled ? call.input(1) : first;
        if (joined.dims.size() != 3 || joined.last() % (parts * heads) != 0) {
            throw std::invalid_argument("the heads of an attention do not divide its width");
        }
        const std::int64_t batch = joined.dims[0], keys = joined.dims[1];
        const std::int64_t width = joined.last() / parts;
        if (pooled && first.dims != std::vector<std::int64_t>{batch, 1, width}) {
            throw std::invalid_argument("an attention got queries of another shape");
        }
        const Tensor counts = counted ? call.input(pooled ? 2 : 1) : Tensor{};
        if (counted && counts.dims != std::vector<std::int64_t>{batch}) {
            throw std::invalid_argument("an attention got counts of another shape");
        }
        operators::Attention attention{};
        attention.query = first.floats();
        attention.key = joined.floats() + (pooled ? 0 : width);
        attention.value = attention.key + width;
        attention.query_stride = first.last();
        attention.key_stride = attention.value_stride = joined.last();
        attention.batch = batch;
        attention.heads = heads;
        attention.head_width = width / heads;
        attention.queries = pooled ? 1 : keys;
        attention.keys = keys;
        attention.causal = causal;
        attention.counts = static_cast<const std::int64_t *>(counts.data);
        float *out = call.output({batch, attention.queries, width});
        operators::attention(attention, out, call.pool());
    }

    std::int64_t heads;
};

template <bool causal> struct AttentionAdd : Kernel {
    explicit AttentionAdd(const NodeInfo &node)
        : norm(node, true), heads(node.integer("heads")), qkv(node, 3, node.integer("inputs")),
          out_proj(node, 6, node.integer("middle")) {
        const Linear first = qkv.linear(), second = out_proj.linear();
        if (first.out != 3 * first.in || second.in != first.in || second.out != first.in ||
            first.in % heads != 0 || first.in % 32 != 0) {
            throw std::invalid_argument("the weights of an attention do not fit");
        }
    }

    void compute(const Call &call) const override {
        const Tensor x = call.input(0);
        require_width(x, qkv.linear().in);
        if (x.dims.size() != 3) {
            throw std::invalid_argument("an attention got tokens of another shape");
        }
        const operators::Tokens tokens{x.dims[0], x.dims[1], heads, causal, nullptr};
        float *out = call.output(x.dims);
        operators::self_attention(x.floats(), tokens, norm.norm(), qkv.linear(), out_proj.linear(),
                                  out, call.pool());
    }

    StoredNorm norm;
    std::int64_t heads;
    Weight qkv, out_proj;
};

} // namespace twinlens::ort
