// operators.cpp - registration of the native operators with ONNX Runtime.
//
// compute.hpp defines the results; the inputs are those of the ONNX function of the same name,
// stored beside its calls in the model.

#include <cstring>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "operators/compute.hpp"
#include "operators/ort/api.hpp"
#include "operators/ort/call.hpp"

namespace twinlens::ort {
namespace {

using operators::Activation;
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

struct Kernel {
    virtual ~Kernel() = default;
    virtual void compute(const Call &call) const = 0;
};

void require_width(const Tensor &tokens, std::int64_t width) {
    if (tokens.last() != width) {
        throw std::invalid_argument("an operator of twinlens got tokens of another width");
    }
}

std::vector<std::int64_t> with_last(std::vector<std::int64_t> dims, std::int64_t last) {
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

Activation activation_of(const std::string &name) {
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

// An operator, with the types of its inputs and the factory of its kernels.
struct OperatorDefinition : Operator {
    const char *name;
    std::vector<Type> types;
    std::unique_ptr<Kernel> (*make)(const NodeInfo &);
    int threads;
};

// A kernel, with the state of its calls.
struct KernelInstance {
    Api api;
    std::unique_ptr<Kernel> kernel;
    int threads;
};

template <typename Work> Status *as_status(const Api &api, const Work &work) {
    try {
        work();
        return nullptr;
    } catch (const StatusError &error) {
        return error.status;
    } catch (const std::exception &error) {
        return api.failure(error.what());
    }
}

const OperatorDefinition *definition(const Operator *given) {
    return static_cast<const OperatorDefinition *>(given);
}

Status *create(const Operator *given, const Table *table, const KernelInfo *info, void **kernel) {
    const Api api(table);
    return as_status(api, [&] {
        const OperatorDefinition *op = definition(given);
        *kernel = new KernelInstance{api, op->make(NodeInfo(api, info)), op->threads};
    });
}

Status *compute(void *kernel, KernelContext *context) {
    const KernelInstance *instance = static_cast<const KernelInstance *>(kernel);
    return as_status(instance->api, [&] {
        instance->kernel->compute(Call(instance->api, context, instance->threads));
    });
}

template <typename K> std::unique_ptr<Kernel> make(const NodeInfo &node) {
    return std::make_unique<K>(node);
}

template <typename K>
OperatorDefinition define(const char *name, std::vector<Type> types, int threads) {
    OperatorDefinition op{};
    op.version = version;
    op.get_name = [](const Operator *it) { return definition(it)->name; };
    op.get_provider = [](const Operator *) -> const char * {
        return nullptr;
    }; // the CPU execution provider
    op.get_input_type = [](const Operator *it, std::size_t i) { return definition(it)->types[i]; };
    op.get_input_count = [](const Operator *it) { return definition(it)->types.size(); };
    op.get_output_type = [](const Operator *, std::size_t) { return Type::float32; };
    op.get_output_count = [](const Operator *) { return std::size_t{1}; };
    op.destroy = [](void *kernel) { delete static_cast<KernelInstance *>(kernel); };
    op.get_input_kind = [](const Operator *, std::size_t) { return 0; }; // required
    op.get_output_kind = op.get_input_kind;
    op.get_input_memory = op.get_input_kind; // the default
    op.create_kernel_or_status = create;
    op.compute_or_status = compute;
    op.get_start_version = [](const Operator *) { return 1; };
    op.get_end_version = [](const Operator *) { return 2147483647; };
    op.name = name;
    op.types = std::move(types);
    op.make = make<K>;
    op.threads = threads;
    return op;
}

std::vector<Type> types(std::size_t norms, std::size_t weights, std::vector<Type> more = {}) {
    std::vector<Type> all{Type::float32};
    all.insert(all.end(), norms, Type::float32);
    for (std::size_t weight = 0; weight < weights; ++weight) {
        all.insert(all.end(), {Type::int8, Type::float32, Type::float32});
    }
    all.insert(all.end(), more.begin(), more.end());
    return all;
}

std::vector<OperatorDefinition> all_operators(int threads) {
    const Type floats = Type::float32, integers = Type::int64;
    std::vector<OperatorDefinition> all;
    const auto add = [&](OperatorDefinition op) { all.push_back(std::move(op)); };
    std::vector<Type> bytes = types(0, 1);
    bytes[0] = Type::uint8;
    add(define<BytesLinear>("BytesLinear", bytes, threads));
    add(define<LinearKernel<false, false>>("Linear", types(0, 1), threads));
    add(define<LinearKernel<true, false>>("NormLinear", types(2, 1), threads));
    add(define<LinearKernel<false, true>>("LinearAdd", types(0, 1, {floats}), threads));
    add(define<MlpAdd<false>>("MlpAdd", types(0, 2), threads));
    add(define<MlpAdd<true>>("NormMlpAdd", types(2, 2), threads));
    add(define<AttentionAdd<false>>("NormSelfAttentionAdd", types(2, 2), threads));
    add(define<AttentionAdd<true>>("NormCausalAttentionAdd", types(2, 2), threads));
    add(define<AttentionKernel<false, false, false>>("SelfAttention", {floats}, threads));
    add(define<AttentionKernel<false, false, true>>("CausalAttention", {floats}, threads));
    add(define<AttentionKernel<false, true, false>>("CountedAttention", {floats, integers},
                                                    threads));
    add(define<AttentionKernel<true, false, false>>("PooledAttention", {floats, floats}, threads));
    add(define<AttentionKernel<true, true, false>>("CountedPooledAttention",
                                                   {floats, floats, integers}, threads));
    return all;
}

// Threads of the session. ONNX Runtime does not tell, so whoever opens the session sets
// twinlens.threads.
int threads_of(const Api &api, const SessionOptions *options) {
    const char *key = "twinlens.threads";
    int present = 0;
    require(api.call(ApiIndex::has_config, options, key, &present));
    if (present == 0) {
        return static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
    }
    std::size_t size = 0;
    require(api.call(ApiIndex::config, options, key, static_cast<char *>(nullptr), &size));
    std::string value(size, '\0');
    require(api.call(ApiIndex::config, options, key, value.data(), &size));
    return std::max(1, std::atoi(value.c_str()));
}

} // namespace

void register_operators(SessionOptions *options, const Api &api) {
    // Sessions keep pointers to the operators, and may be created on any thread at any time.
    static std::mutex guard;
    static std::vector<std::unique_ptr<std::vector<OperatorDefinition>>> kept;
    const std::lock_guard<std::mutex> lock(guard);
    Domain *domain = nullptr;
    require(api.call(ApiIndex::create_domain, "twinlens", &domain));
    kept.push_back(
        std::make_unique<std::vector<OperatorDefinition>>(all_operators(threads_of(api, options))));
    for (const OperatorDefinition &op : *kept.back()) {
        require(api.call(ApiIndex::add_operator, domain, static_cast<const Operator *>(&op)));
    }
    require(api.call(ApiIndex::add_domain, options, domain));
}

} // namespace twinlens::ort

#if defined(_WIN32)
#define TWINLENS_EXPORT __declspec(dllexport)
#else
#define TWINLENS_EXPORT __attribute__((visibility("default")))
#endif

// The entry point of a library of custom operators. Where this processor runs none of the tables,
// or ONNX Runtime is too old, nothing is registered: the functions in the model serve.
extern "C" TWINLENS_EXPORT twinlens::ort::Status *
RegisterCustomOps(twinlens::ort::SessionOptions *options, const twinlens::ort::ApiBase *base) {
    using namespace twinlens;
    const ort::Table *table = base->get_api(ort::version);
    if (table == nullptr || !operators::supported()) {
        return nullptr;
    }
    const ort::Api api(table);
    try {
        ort::register_operators(options, api);
        return nullptr;
    } catch (const ort::StatusError &error) {
        return error.status;
    } catch (const std::exception &error) {
        return api.failure(error.what());
    }
}

// The instruction set that serves, or null; asked before a session is opened.
extern "C" TWINLENS_EXPORT const char *twinlens_operators_path() {
    return twinlens::operators::path_name();
}
