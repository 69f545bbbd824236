// call.hpp - inputs, output and threads of one call of an operator.
#pragma once

#include <atomic>
#include <cstdint>
#include <exception>
#include <limits>
#include <new>
#include <string>
#include <vector>

#include "operators/compute.hpp"
#include "operators/ort/api.hpp"
#include "operators/ort/refusal.hpp"

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

// Without memory for a status ONNX Runtime returns none, as for success, and makes nothing.
inline void require_made(const void *made) {
    if (made == nullptr) {
        throw std::bad_alloc();
    }
}

struct Tensor {
    const void *data = nullptr;
    std::vector<std::int64_t> dims;

    const float *floats() const { return static_cast<const float *>(data); }
    std::int64_t rows() const {
        std::int64_t product = empty() ? 0 : 1; // sides beside one of 0 are bounded by no memory
        for (std::size_t side = 0; side + 1 < dims.size(); ++side) {
            product *= dims[side];
        }
        return product;
    }

    bool empty() const {
        for (const std::int64_t side : dims) {
            if (side == 0) {
                return true;
            }
        }
        return false;
    }
};

inline Tensor tensor_of(const Api &api, const Value *value) {
    Tensor tensor;
    void *data = nullptr;
    require(api.call(ApiIndex::data, const_cast<Value *>(value), &data));
    tensor.data = data;
    struct OwnShape {
        const Api &api;
        Shape *shape = nullptr;
        ~OwnShape() {
            if (shape != nullptr) {
                api.release(ApiIndex::release_shape, shape);
            }
        }
    } own{api};
    require(api.call(ApiIndex::shape, value, &own.shape));
    require_made(own.shape);
    const Shape *shape = own.shape;
    std::size_t count = 0;
    require(api.call(ApiIndex::dim_count, shape, &count));
    tensor.dims.resize(count);
    require(api.call(ApiIndex::dims, shape, tensor.dims.data(), count));
    return tensor;
}

// Settings of a session.
struct Settings {
    int threads;
    bool reproducible; // as in operators::Pool
};

class Call {
  public:
    Call(const Api &api, KernelContext *context, const Settings &settings)
        : api_(api), context_(context), settings_(settings) {}

    Tensor input(const Input &input) const {
        const std::size_t index = input.index;
        const Value *value = nullptr;
        require(api_.call(ApiIndex::input, static_cast<const KernelContext *>(context_), index,
                          &value));
        if (value == nullptr) {
            throw refusal(input, "nothing", "a tensor");
        }
        return tensor_of(api_, value);
    }

    float *output(const std::vector<std::int64_t> &dims) const {
        Value *value = nullptr;
        require(api_.call(ApiIndex::output, context_, std::size_t{0}, dims.data(), dims.size(),
                          &value));
        require_made(value);
        void *data = nullptr;
        require(api_.call(ApiIndex::data, value, &data));
        return static_cast<float *>(data);
    }

    // The thread pool of ONNX Runtime.
    operators::Pool pool() const {
        return {const_cast<Call *>(this), settings_.threads, &Call::run, settings_.reproducible};
    }

  private:
    using Part = void (*)(void *work, std::int64_t index);

    struct Work {
        Part part;
        void *work;
        std::atomic<std::int64_t> begun{0};
        std::atomic<bool> failed{false};
        std::exception_ptr failure; // the first, written by the part that set `failed`
    };

    // No exception may enter ONNX Runtime's threads: it would end the process. After a failure the
    // other parts have nothing to do.
    static void run_part(void *given, std::size_t index) noexcept {
        Work *work = static_cast<Work *>(given);
        ++work->begun;
        // The first exception of a thread allocates its data, and ends the process if it cannot:
        // it has them from its first part on.
        static_cast<void>(std::uncaught_exceptions());
        if (work->failed) {
            return;
        }
        try {
            work->part(work->work, static_cast<std::int64_t>(index));
        } catch (...) {
            if (!work->failed.exchange(true)) {
                work->failure = std::current_exception();
            }
        }
    }

    static void run(void *state, std::int64_t parts, Part part, void *work) {
        const Call *call = static_cast<const Call *>(state);
        if (parts == 1) {
            part(work, 0);
            return;
        }
        Work given{part, work, {}, {}, {}};
        const auto count = static_cast<std::size_t>(parts);
        void (*function)(void *, std::size_t) = &Call::run_part;
        Status *status = call->api_.call(ApiIndex::parallel_for,
                                         static_cast<const KernelContext *>(call->context_),
                                         function, count, count, static_cast<void *>(&given));
        if (given.failure != nullptr) {
            if (status != nullptr) {
                call->api_.release(ApiIndex::release_status, status);
            }
            std::rethrow_exception(given.failure);
        }
        require(status);
        if (given.begun != parts) { // as require_made
            throw std::bad_alloc();
        }
    }

    const Api &api_;
    KernelContext *context_;
    Settings settings_;
};

// Attributes and constant inputs of a node, read when its kernel is created.
class NodeInfo {
  public:
    NodeInfo(const Api &api, const KernelInfo *info, const char *name)
        : api_(api), info_(info), name_(name) {}

    // Name of the operator.
    const char *name() const { return name_; }

    Input input(std::size_t index, const char *role) const { return {name_, index, role}; }

    std::int64_t integer(const char *name) const {
        std::int64_t value = 0;
        require(api_.call(ApiIndex::attribute_int64, info_, name, &value));
        return value;
    }

    float number(const char *name) const {
        float value = std::numeric_limits<float>::quiet_NaN();
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

    // An attribute between two bounds.
    std::int64_t integer(const char *name, std::int64_t least, std::int64_t most) const {
        const std::int64_t value = integer(name);
        if (value < least || value > most) {
            throw refusal(name_, std::string("attribute ") + name, std::to_string(value),
                          std::to_string(least) + " to " + std::to_string(most));
        }
        return value;
    }

    // An input that is stored in the model.
    Tensor constant(const Input &input) const {
        const std::size_t index = input.index;
        int is_constant = 0;
        const Value *value = nullptr;
        require(api_.call(ApiIndex::constant_input, info_, index, &is_constant, &value));
        if (is_constant == 0 || value == nullptr) {
            throw refusal(input, "an input that is computed", "one that is stored in the model");
        }
        return tensor_of(api_, value);
    }

  private:
    const Api &api_;
    const KernelInfo *info_;
    const char *name_;
};

} // namespace twinlens::ort
