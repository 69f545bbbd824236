// stored_weights.hpp - weights and layer norms that are stored in the model.
//
// All shapes are checked here, when the kernel is made: the kernels of compute.hpp trust them.
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "operators/bf16/layers.hpp"
#include "operators/compute.hpp"
#include "operators/float32/layers.hpp"
#include "operators/ort/call.hpp"
#include "operators/ort/refusal.hpp"

namespace twinlens::ort {

using operators::Linear;
using operators::Norm;

// An int8 weight that is stored in the model, not copied, with the sums of its codes.
class CodedWeight {
  public:
    static constexpr std::size_t inputs = 3;

    // `inputs` names the attribute that has the layer's width.
    CodedWeight(const NodeInfo &node, std::size_t first, const char *inputs)
        : inputs_(node.integer(inputs, 1, operators::most_inputs)) {
        const Input codes = node.input(first, "codes"), scales = node.input(first + 1, "scales"),
                    bias = node.input(first + 2, "bias");
        codes_ = node.constant(codes);
        scales_ = node.constant(scales);
        bias_ = node.constant(bias);
        if (scales_.dims.size() != 1 || scales_.empty()) {
            throw refusal(scales, "of shape " + shape_text(scales_.dims), "[outputs]");
        }
        require_shape(bias, bias_.dims, scales_.dims);
        require_shape(codes, codes_.dims, {(outputs() + 15) / 16, (inputs_ + 63) / 64, 16, 16, 4});
        sums_.resize(static_cast<std::size_t>(outputs()));
        operators::sums_of(linear().codes, inputs_, outputs(), sums_.data());
    }

    Linear linear() const {
        return {static_cast<const std::int8_t *>(codes_.data),
                scales_.floats(),
                bias_.floats(),
                sums_.data(),
                inputs_,
                outputs()};
    }

    // Checks the number of outputs of input `first` + 1.
    void require_outputs(const NodeInfo &node, std::size_t first, std::int64_t wanted) const {
        require_shape(node.input(first + 1, "scales"), scales_.dims, {wanted});
    }

  private:
    std::int64_t outputs() const { return scales_.dims[0]; }

    Tensor codes_, scales_, bias_;
    std::int64_t inputs_;
    std::vector<std::int32_t> sums_;
};

// A weight and its bias that are stored in the model, not copied. Own names the layer, and the
// shape of its packed weights.
template <typename Own> class BiasedWeight {
  public:
    static constexpr std::size_t inputs = 2;

    // `inputs` names the attribute that has the layer's width.
    BiasedWeight(const NodeInfo &node, std::size_t first, const char *inputs)
        : inputs_(node.integer(inputs, 1, operators::most_inputs)) {
        const Input weights = node.input(first, "weights"), bias = node.input(first + 1, "bias");
        weights_ = node.constant(weights);
        bias_ = node.constant(bias);
        if (bias_.dims.size() != 1 || bias_.empty()) {
            throw refusal(bias, "of shape " + shape_text(bias_.dims), "[outputs]");
        }
        require_shape(weights, weights_.dims, Own::shape(inputs_, bias_.dims[0]));
    }

    typename Own::Linear linear() const {
        return {static_cast<const typename Own::Stored *>(weights_.data), bias_.floats(), inputs_,
                bias_.dims[0]};
    }

    // Checks the number of outputs of input `first` + 1.
    void require_outputs(const NodeInfo &node, std::size_t first, std::int64_t wanted) const {
        require_shape(node.input(first + 1, "bias"), bias_.dims, {wanted});
    }

  private:
    Tensor weights_, bias_;
    std::int64_t inputs_;
};

struct FloatLayer {
    using Linear = operators::float32::Linear;
    using Stored = float;
    static std::vector<std::int64_t> shape(std::int64_t in, std::int64_t out) {
        return {(out + 31) / 32, in, 32};
    }
};

struct Bf16Layer {
    using Linear = operators::bf16::Linear;
    using Stored = std::uint16_t;
    static std::vector<std::int64_t> shape(std::int64_t in, std::int64_t out) {
        return {(out + 31) / 32, (in + 1) / 2, 32, 2};
    }
};

using FloatWeight = BiasedWeight<FloatLayer>;
using Bf16Weight = BiasedWeight<Bf16Layer>;

// A layer norm over `inputs` that is stored in the model; or none.
class StoredNorm {
  public:
    StoredNorm(const NodeInfo &node, bool present) {
        if (!present) {
            return;
        }
        const std::vector<std::int64_t> wanted{node.integer("inputs", 1, operators::most_inputs)};
        const Input scale = node.input(1, "norm scale"), bias = node.input(2, "norm bias");
        scale_ = node.constant(scale);
        bias_ = node.constant(bias);
        require_shape(scale, scale_.dims, wanted);
        require_shape(bias, bias_.dims, wanted);
        const float epsilon = node.number("epsilon");
        if (!(epsilon >= 0 && epsilon <= std::numeric_limits<float>::max())) {
            throw refusal(node.name(), "attribute epsilon", std::to_string(epsilon),
                          "a finite number, 0 or more");
        }
        norm_ = {scale_.floats(), bias_.floats(), epsilon};
    }

    const Norm *norm() const { return norm_.scale == nullptr ? nullptr : &norm_; }

    // Of a norm that is present.
    std::int64_t width() const { return scale_.dims[0]; }

  private:
    Tensor scale_, bias_;
    Norm norm_{nullptr, nullptr, 0};
};

} // namespace twinlens::ort
