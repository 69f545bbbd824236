// stored_weights.hpp - weights and layer norms that are stored in the model.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <vector>

#include "operators/compute.hpp"
#include "operators/ort/call.hpp"

namespace twinlens::ort {

using operators::Linear;
using operators::Norm;

// A weight that is stored in the model, not copied, with the sums of its codes.
class Weight {
  public:
    Weight(const NodeInfo &node, std::size_t first, std::int64_t inputs)
        : codes_(node.constant(first)), scales_(node.constant(first + 1)),
          bias_(node.constant(first + 2)), inputs_(inputs) {
        const std::int64_t outputs = scales_.last();
        const std::vector<std::int64_t> wanted{(outputs + 15) / 16, (inputs + 63) / 64, 16, 16, 4};
        if (codes_.dims != wanted || bias_.last() != outputs) {
            throw std::invalid_argument("a weight of an operator of twinlens is packed otherwise");
        }
        sums_.resize(static_cast<std::size_t>(outputs));
        operators::sums_of(codes(), inputs, outputs, sums_.data());
    }

    Linear linear() const {
        return {codes(), scales_.floats(), bias_.floats(), sums_.data(), inputs_, scales_.last()};
    }

  private:
    const std::int8_t *codes() const { return static_cast<const std::int8_t *>(codes_.data); }

    Tensor codes_, scales_, bias_;
    std::int64_t inputs_;
    std::vector<std::int32_t> sums_;
};

// A layer norm that is stored in the model; or none.
class StoredNorm {
  public:
    StoredNorm(const NodeInfo &node, bool present) {
        if (present) {
            scale_ = node.constant(1);
            bias_ = node.constant(2);
            norm_ = {scale_.floats(), bias_.floats(), node.number("epsilon")};
        }
    }

    const Norm *norm() const { return norm_.scale == nullptr ? nullptr : &norm_; }

  private:
    Tensor scale_, bias_;
    Norm norm_{nullptr, nullptr, 0};
};

} // namespace twinlens::ort
