// api.hpp - the part of ONNX Runtime's C API that a library of operators needs.
//
// No package ships ONNX Runtime's header, and its C API only grows at the end: a function is an
// index in a table, the same since the version named beside it. Declared here is version 17 of the
// API (ONNX Runtime 1.17).
#pragma once

#include <cstddef>
#include <cstdint>

namespace twinlens::ort {

constexpr std::uint32_t version = 17;

// Opaque types of ONNX Runtime; a null status is success.
struct Status;
struct SessionOptions;
struct Domain;
struct KernelInfo;
struct KernelContext;
struct Value;
struct Shape;

using Function = void (*)();
using Table = Function;

enum class ApiIndex : int {
    create_status = 0,     // 1
    create_domain = 26,    // 1
    add_operator = 27,     // 1
    add_domain = 28,       // 1
    data = 51,             // 1
    dim_count = 61,        // 1
    dims = 62,             // 1
    shape = 65,            // 1
    attribute_float = 85,  // 1
    attribute_int64 = 86,  // 1
    attribute_string = 87, // 1
    input = 90,            // 1
    output = 91,           // 1
    release_status = 93,   // 1
    release_shape = 99,    // 1
    has_config = 237,      // 14
    config = 238,          // 14
    constant_input = 249,  // 15
    parallel_for = 274,    // 17
};

struct ApiBase {
    const Table *(*get_api)(std::uint32_t version);
    const char *(*get_version)();
};

enum class FailureCode : int { invalid_argument = 2, runtime_exception = 6 };

enum class Type : int { float32 = 1, uint8 = 2, int8 = 3, int64 = 7, bf16 = 16 };

// OrtCustomOp of version 17: the callbacks of an operator.
struct Operator {
    std::uint32_t version;
    void *(*create_kernel)(const Operator *, const Table *, const KernelInfo *);
    const char *(*get_name)(const Operator *);
    const char *(*get_provider)(const Operator *);
    Type (*get_input_type)(const Operator *, std::size_t);
    std::size_t (*get_input_count)(const Operator *);
    Type (*get_output_type)(const Operator *, std::size_t);
    std::size_t (*get_output_count)(const Operator *);
    void (*compute)(void *, KernelContext *);
    void (*destroy)(void *);
    int (*get_input_kind)(const Operator *, std::size_t);
    int (*get_output_kind)(const Operator *, std::size_t);
    int (*get_input_memory)(const Operator *, std::size_t);
    int (*get_variadic_inputs)(const Operator *);
    int (*get_variadic_inputs_alike)(const Operator *);
    int (*get_variadic_outputs)(const Operator *);
    int (*get_variadic_outputs_alike)(const Operator *);
    Status *(*create_kernel_or_status)(const Operator *, const Table *, const KernelInfo *,
                                       void **kernel);
    Status *(*compute_or_status)(void *kernel, KernelContext *);
    Status *(*infer_shape)(const Operator *, void *);
    int (*get_start_version)(const Operator *);
    int (*get_end_version)(const Operator *);
};

// Typed calls through the table.
class Api {
  public:
    explicit Api(const Table *table) : table_(table) {}

    // Calls the function at the index; returns its status.
    template <typename... Arguments> Status *call(ApiIndex index, Arguments... arguments) const {
        using Called = Status *(*)(Arguments...);
        return reinterpret_cast<Called>(at(index))(arguments...);
    }

    template <typename... Arguments> void release(ApiIndex index, Arguments... arguments) const {
        using Called = void (*)(Arguments...);
        reinterpret_cast<Called>(at(index))(arguments...);
    }

    // Null where memory is short.
    Status *failure(FailureCode code, const char *reason) const {
        return call(ApiIndex::create_status, static_cast<int>(code), reason);
    }

  private:
    Function at(ApiIndex index) const { return table_[static_cast<int>(index)]; }

    const Table *table_;
};

} // namespace twinlens::ort
