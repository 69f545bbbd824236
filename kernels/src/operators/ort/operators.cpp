// operators.cpp - registration of the native operators with ONNX Runtime.
//
// compute.hpp defines the results; the inputs are those of the ONNX function of the same name,
// stored beside its calls in the model.

#include <algorithm>
#include <atomic>
#include <charconv>
#include <cstdint>
#include <memory>
#include <mutex>
#include <new>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "operators/bf16/layers.hpp"
#include "operators/compute.hpp"
#include "operators/ort/api.hpp"
#include "operators/ort/call.hpp"
#include "operators/ort/kernels.hpp"
#include "operators/ort/refusal.hpp"

namespace twinlens::ort {
namespace {

// An operator, with the types of its inputs and the factory of its kernels.
struct OperatorDefinition : Operator {
    const char *name;
    std::vector<Type> types;
    std::unique_ptr<Kernel> (*make)(const NodeInfo &);
    Settings settings;
};

constexpr const char *out_of_memory = "twinlens: out of memory; give less at a time";

// Runs work(); no exception leaves it. Null is success, so a failure for which there is no memory
// gives `spare`.
template <typename Work, typename Spare>
Status *as_status(const Api &api, const Work &work, const Spare &spare) noexcept {
    Status *status = nullptr;
    try {
        work();
        return nullptr;
    } catch (const StatusError &error) {
        return error.status;
    } catch (const std::bad_alloc &) {
        status = api.failure(FailureCode::runtime_exception, out_of_memory);
    } catch (const std::exception &error) {
        status = api.failure(FailureCode::invalid_argument, error.what());
    } catch (...) {
        status = api.failure(FailureCode::runtime_exception, "twinlens: an unknown error");
    }
    return status != nullptr ? status : spare();
}

// A kernel, with the state of its calls.
class KernelInstance {
  public:
    KernelInstance(const Api &api, std::unique_ptr<Kernel> kernel, const Settings &settings)
        : api_(api), kernel_(std::move(kernel)), settings_(settings) {
        refill();
    }
    KernelInstance(const KernelInstance &) = delete;
    KernelInstance &operator=(const KernelInstance &) = delete;
    ~KernelInstance() {
        if (Status *status = spare_.exchange(nullptr); status != nullptr) {
            api_.release(ApiIndex::release_status, status);
        }
    }

    Status *compute(KernelContext *context) noexcept {
        return as_status(
            api_,
            [&] {
                if (spare_ == nullptr) {
                    refill();
                }
                kernel_->compute(Call(api_, context, settings_));
            },
            [&] { return spare_.exchange(nullptr); });
    }

  private:
    void refill() {
        Status *made = api_.failure(FailureCode::runtime_exception, out_of_memory);
        if (made == nullptr) {
            throw std::bad_alloc();
        }
        made = spare_.exchange(made);
        if (made != nullptr) { // another run was as quick
            api_.release(ApiIndex::release_status, made);
        }
    }

    Api api_;
    std::unique_ptr<Kernel> kernel_;
    Settings settings_;
    std::atomic<Status *> spare_{nullptr}; // made while there is memory
};

Status *no_spare() { return nullptr; }

const OperatorDefinition *definition(const Operator *given) {
    return static_cast<const OperatorDefinition *>(given);
}

Status *create(const Operator *given, const Table *table, const KernelInfo *info, void **kernel) {
    const Api api(table);
    *kernel = nullptr; // without it, and without a status, onnxruntime refuses as well
    return as_status(
        api,
        [&] {
            const OperatorDefinition *op = definition(given);
            *kernel =
                new KernelInstance(api, op->make(NodeInfo(api, info, op->name)), op->settings);
        },
        no_spare);
}

Status *compute(void *kernel, KernelContext *context) {
    return static_cast<KernelInstance *>(kernel)->compute(context);
}

template <typename K> std::unique_ptr<Kernel> make(const NodeInfo &node) {
    return std::make_unique<K>(node);
}

template <typename K>
OperatorDefinition define(const char *name, std::vector<Type> types, const Settings &settings) {
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
    op.settings = settings;
    return op;
}

std::vector<Type> types(std::size_t norms, std::size_t weights, const std::vector<Type> &weight,
                        std::vector<Type> more = {}) {
    std::vector<Type> all{Type::float32};
    all.insert(all.end(), norms, Type::float32);
    for (std::size_t i = 0; i < weights; ++i) {
        all.insert(all.end(), weight.begin(), weight.end());
    }
    all.insert(all.end(), more.begin(), more.end());
    return all;
}

// Names of the operators of one kind of towers.
struct Names {
    const char *bytes_linear, *linear, *norm_linear, *linear_add, *mlp_add, *norm_mlp_add,
        *norm_self_attention_add, *norm_causal_attention_add, *self_attention, *causal_attention,
        *counted_attention, *pooled_attention, *counted_pooled_attention;
};

// `weight` are the types of a weight's inputs.
template <typename Kind>
void add_operators(const Names &names, const std::vector<Type> &weight, const Settings &settings,
                   std::vector<OperatorDefinition> &all) {
    const Type floats = Type::float32, integers = Type::int64;
    const auto add = [&](OperatorDefinition op) { all.push_back(std::move(op)); };
    std::vector<Type> bytes = types(0, 1, weight);
    bytes[0] = Type::uint8;
    add(define<BytesLinear<Kind>>(names.bytes_linear, bytes, settings));
    add(define<LinearKernel<Kind, false, false>>(names.linear, types(0, 1, weight), settings));
    add(define<LinearKernel<Kind, true, false>>(names.norm_linear, types(2, 1, weight), settings));
    add(define<LinearKernel<Kind, false, true>>(names.linear_add, types(0, 1, weight, {floats}),
                                                settings));
    add(define<MlpAdd<Kind, false>>(names.mlp_add, types(0, 2, weight), settings));
    add(define<MlpAdd<Kind, true>>(names.norm_mlp_add, types(2, 2, weight), settings));
    add(define<AttentionAdd<Kind, false>>(names.norm_self_attention_add, types(2, 2, weight),
                                          settings));
    add(define<AttentionAdd<Kind, true>>(names.norm_causal_attention_add, types(2, 2, weight),
                                         settings));
    add(define<AttentionKernel<Kind, false, false, false>>(names.self_attention, {floats},
                                                           settings));
    add(define<AttentionKernel<Kind, false, false, true>>(names.causal_attention, {floats},
                                                          settings));
    add(define<AttentionKernel<Kind, false, true, false>>(names.counted_attention,
                                                          {floats, integers}, settings));
    add(define<AttentionKernel<Kind, true, false, false>>(names.pooled_attention, {floats, floats},
                                                          settings));
    add(define<AttentionKernel<Kind, true, true, false>>(names.counted_pooled_attention,
                                                         {floats, floats, integers}, settings));
}

constexpr Names of_int8{"BytesLinear",
                        "Linear",
                        "NormLinear",
                        "LinearAdd",
                        "MlpAdd",
                        "NormMlpAdd",
                        "NormSelfAttentionAdd",
                        "NormCausalAttentionAdd",
                        "SelfAttention",
                        "CausalAttention",
                        "CountedAttention",
                        "PooledAttention",
                        "CountedPooledAttention"};
constexpr Names of_float32{"FloatBytesLinear",
                           "FloatLinear",
                           "FloatNormLinear",
                           "FloatLinearAdd",
                           "FloatMlpAdd",
                           "FloatNormMlpAdd",
                           "FloatNormSelfAttentionAdd",
                           "FloatNormCausalAttentionAdd",
                           "FloatSelfAttention",
                           "FloatCausalAttention",
                           "FloatCountedAttention",
                           "FloatPooledAttention",
                           "FloatCountedPooledAttention"};
constexpr Names of_bf16{"Bf16BytesLinear",
                        "Bf16Linear",
                        "Bf16NormLinear",
                        "Bf16LinearAdd",
                        "Bf16MlpAdd",
                        "Bf16NormMlpAdd",
                        "Bf16NormSelfAttentionAdd",
                        "Bf16NormCausalAttentionAdd",
                        "Bf16SelfAttention",
                        "Bf16CausalAttention",
                        "Bf16CountedAttention",
                        "Bf16PooledAttention",
                        "Bf16CountedPooledAttention"};

std::vector<OperatorDefinition> all_operators(const Settings &settings) {
    std::vector<OperatorDefinition> all;
    add_operators<Int8>(of_int8, {Type::int8, Type::float32, Type::float32}, settings, all);
    add_operators<Float32>(of_float32, {Type::float32, Type::float32}, settings, all);
    add_operators<Bf16>(of_bf16, {Type::bf16, Type::float32}, settings, all);
    all.push_back(define<FloatNorm>("FloatNorm", types(2, 0, {}), settings));
    all.push_back(define<FloatUnitRows>("FloatUnitRows", types(0, 0, {}), settings));
    return all;
}

// More threads than this for each core cut the work without doing it sooner.
constexpr int most_threads_a_core = 4;

// An entry of the session's configuration, or `otherwise`.
std::string entry_of(const Api &api, const SessionOptions *options, const char *key,
                     std::string otherwise) {
    int present = 0;
    require(api.call(ApiIndex::has_config, options, key, &present));
    if (present == 0) {
        return otherwise;
    }
    std::size_t size = 0;
    require(api.call(ApiIndex::config, options, key, static_cast<char *>(nullptr), &size));
    std::string value(size, '\0');
    require(api.call(ApiIndex::config, options, key, value.data(), &size));
    value.resize(size == 0 ? 0 : size - 1); // without the terminating zero
    return value;
}

// Threads of the session, at most four a core. ONNX Runtime does not tell, so whoever opens the
// session sets twinlens.threads.
int threads_of(const Api &api, const SessionOptions *options) {
    const char *key = "twinlens.threads";
    const int cores = static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
    const std::string value = entry_of(api, options, key, std::to_string(cores));
    std::int64_t threads = 0;
    const char *end = value.data() + value.size();
    const auto [stop, failure] = std::from_chars(value.data(), end, threads);
    if (failure != std::errc() || stop != end || threads < 1) {
        throw std::invalid_argument(std::string(key) + " is " + quoted(value) +
                                    ", wanted a number of threads, 1 or more");
    }
    return static_cast<int>(
        std::min<std::int64_t>(threads, std::int64_t{most_threads_a_core} * cores));
}

// twinlens.reproducible, 0 by default: 1 for the bits that every processor gives.
bool reproducible(const Api &api, const SessionOptions *options) {
    const char *key = "twinlens.reproducible";
    const std::string value = entry_of(api, options, key, "0");
    if (value != "0" && value != "1") {
        throw std::invalid_argument(std::string(key) + " is " + quoted(value) + ", wanted 0 or 1");
    }
    return value == "1";
}

} // namespace

void register_operators(SessionOptions *options, const Api &api, const Settings &settings) {
    // Sessions keep pointers to the operators, and may be created on any thread at any time.
    static std::mutex guard;
    static std::vector<std::unique_ptr<std::vector<OperatorDefinition>>> kept;
    const std::lock_guard<std::mutex> lock(guard);
    Domain *domain = nullptr;
    require(api.call(ApiIndex::create_domain, "twinlens", &domain));
    require_made(domain);
    kept.push_back(std::make_unique<std::vector<OperatorDefinition>>(all_operators(settings)));
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
    if (table == nullptr) {
        return nullptr;
    }
    const ort::Api api(table);
    return ort::as_status(
        api,
        [&] {
            const ort::Settings settings{ort::threads_of(api, options),
                                         ort::reproducible(api, options)};
            if (operators::supported(settings.reproducible)) {
                ort::register_operators(options, api, settings);
            }
        },
        ort::no_spare);
}

namespace {

// Without memory for an answer there is none.
template <typename Ask> const char *answer(const Ask &ask) {
    try {
        return ask();
    } catch (...) {
        return nullptr;
    }
}

} // namespace

// Asked before a session is opened, as compute.hpp defines them: the set that serves a session, or
// one with twinlens.reproducible; null if none does.
extern "C" TWINLENS_EXPORT const char *twinlens_operators_path() {
    return answer([] { return twinlens::operators::path_name(false); });
}

extern "C" TWINLENS_EXPORT const char *twinlens_operators_reproducible_path() {
    return answer([] { return twinlens::operators::path_name(true); });
}

// The same of bf16 towers.
extern "C" TWINLENS_EXPORT const char *twinlens_operators_bf16_path() {
    return answer([] { return twinlens::operators::bf16::path_name(false); });
}

extern "C" TWINLENS_EXPORT const char *twinlens_operators_compiled_sets() {
    return answer(twinlens::operators::compiled_sets);
}

extern "C" TWINLENS_EXPORT const char *twinlens_operators_runnable_sets() {
    return answer(twinlens::operators::runnable_sets);
}
