// call.hpp - inputs, output and threads of one call of an operator.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

#include "operators/compute.hpp"
#include "operators/ort/api.hpp"

namespace twinlens::ort {

// An error status of ONNX Runtime, to be handed back to it.
struct StatusError {
    Status *status;
};

inline void require(Status *status) {
    if (status != nullptr) {
        throw StatusError{status};
    }
}

struct Tensor {
    const void *data = nullptr;
    std::vector<std::int64_t> dims;

    const float *floats() const { return static_cast<const float *>(data); }
    std::int64_t last() const { return dims.empty() ? 1 : dims.back(); }
    std::int64_t rows() const {
        std::int64_t product = 1;
        for (std::size_t side = 0; side + 1 < dims.size(); ++side) {
            product *= dims[side];
        }
        return product;
    }
};

inline Tensor tensor_of(const Api &api, const Value *value) {
    Tensor tensor;
    void *data = nullptr;
    require(api.call(ApiIndex::data, const_cast<Value *>(value), &data));
    tensor.data = data;
    Shape *shape = nullptr;
    require(api.call(ApiIndex::shape, value, &shape));
    std::size_t count = 0;
    Status *status = api.call(ApiIndex::dim_count, static_cast<const Shape *>(shape), &count);
    if (status == nullptr) {
        tensor.dims.resize(count);
        status =
            api.call(ApiIndex::dims, static_cast<const Shape *>(shape), tensor.dims.data(), count);
    }
    api.release(ApiIndex::release_shape, shape);
    require(status);
    return tensor;
}

class Call {
  public:
    Call(const Api &api, KernelContext *context, int threads)
        : api_(api), context_(context), threads_(threads) {}

    Tensor input(std::size_t index) const {
        const Value *value = nullptr;
        require(api_.call(ApiIndex::input, static_cast<const KernelContext *>(context_), index,
                          &value));
        return tensor_of(api_, value);
    }

    float *output(const std::vector<std::int64_t> &dims) const {
        Value *value = nullptr;
        require(api_.call(ApiIndex::output, context_, std::size_t{0}, dims.data(), dims.size(),
                          &value));
        void *data = nullptr;
        require(api_.call(ApiIndex::data, value, &data));
        return static_cast<float *>(data);
    }

    // The thread pool of ONNX Runtime.
    operators::Pool pool() const { return {const_cast<Call *>(this), threads_, &Call::run}; }

  private:
    using Part = void (*)(void *work, std::int64_t index);

    struct Work {
        Part part;
        void *work;
    };

    static void run_part(void *given, std::size_t index) {
        const Work *work = static_cast<const Work *>(given);
        work->part(work->work, static_cast<std::int64_t>(index));
    }

    static void run(void *state, std::int64_t parts, Part part, void *work) {
        const Call *call = static_cast<const Call *>(state);
        if (parts == 1) {
            part(work, 0);
            return;
        }
        Work given{part, work};
        const auto count = static_cast<std::size_t>(parts);
        void (*function)(void *, std::size_t) = &Call::run_part;
        require(call->api_.call(ApiIndex::parallel_for,
                                static_cast<const KernelContext *>(call->context_), function, count,
                                count, static_cast<void *>(&given)));
    }

    const Api &api_;
    KernelContext *context_;
    int threads_;
};

// Attributes and constant inputs of a node, read when its kernel is created.
class NodeInfo {
  public:
    NodeInfo(const Api &api, const KernelInfo *info) : api_(api), info_(info) {}

    std::int64_t integer(const char *name) const {
        std::int64_t value = 0;
        require(api_.call(ApiIndex::attribute_int64, info_, name, &value));
        return value;
    }

    float number(const char *name) const {
        float value = 0;
        require(api_.call(ApiIndex::attribute_float, info_, name, &value));
        return value;
    }

    std::string text(const char *name) const {
        std::size_t size = 0;
        require(api_.call(ApiIndex::attribute_string, info_, name, static_cast<char *>(nullptr),
                          &size));
        std::string value(size, '\0');
        require(api_.call(ApiIndex::attribute_string, info_, name, value.data(), &size));
        value.resize(size == 0 ? 0 : size - 1); // without the terminating zero
        return value;
    }

    // An input that is stored in the model.
    Tensor constant(std::size_t index) const {
        int is_constant = 0;
        const Value *value = nullptr;
        require(api_.call(ApiIndex::constant_input, info_, index, &is_constant, &value));
        if (is_constant == 0 || value == nullptr) {
            throw std::invalid_argument("a weight of an operator of twinlens must be stored");
        }
        return tensor_of(api_, value);
    }

  private:
    const Api &api_;
    const KernelInfo *info_;
};

} // namespace twinlens::ort
