// compute.cpp - the operators by the table that serves, chosen once in a process.

#include "operators/compute.hpp"

#include <cstdlib>
#include <string>
#include <string_view>

#include "operators/bf16/extensions.hpp"
#include "operators/dispatch.hpp"

namespace twinlens::operators {
namespace {

// The table that serves in this process, or null.
const OperatorTable *choice(bool reproducible) {
    const char *wanted = std::getenv("TWINLENS_OPERATORS");
    const OperatorTable *table = cpu::named(operator_tables(), wanted == nullptr ? "" : wanted);
    return table == nullptr || !reproducible || table->reproducible ? table
                                                                    : table->reproducible_variant;
}

// Chosen at the first call.
const OperatorTable *chosen(bool reproducible) {
    static const OperatorTable *const tables[2] = {choice(false), choice(true)};
    return tables[reproducible ? 1 : 0];
}

const OperatorTable &table_for(const Pool &pool) { return *chosen(pool.reproducible); }

// True if a list of names, separated by spaces, has that one.
bool lists(std::string_view names, std::string_view name) {
    while (!names.empty()) {
        const std::string_view first = names.substr(0, names.find(' '));
        if (first == name) {
            return true;
        }
        names.remove_prefix(first.size() == names.size() ? names.size() : first.size() + 1);
    }
    return false;
}

// The set with products of bfloat16 that goes with a table, and runs here; or null.
const bf16::Extension *extension_of(const OperatorTable *table) {
    if (table != nullptr) {
        for (const bf16::Extension *one : cpu::runnable(bf16::extensions())) {
            if (lists(one->bases, table->name)) {
                return one;
            }
        }
    }
    return nullptr;
}

// Chosen at the first call.
const bf16::Extension *chosen_extension(bool reproducible) {
    static const bf16::Extension *const chosen_ones[2] = {extension_of(chosen(false)),
                                                          extension_of(chosen(true))};
    return chosen_ones[reproducible ? 1 : 0];
}

const bf16::Table &bf16_table_for(const Pool &pool) {
    const bf16::Extension *extension = chosen_extension(pool.reproducible);
    return extension != nullptr ? extension->table : table_for(pool).bf16_layers;
}

template <typename Tables, typename Name>
std::string joined_names(const Tables &tables, const Name &name) {
    std::string all;
    for (const auto &one : tables) {
        all += (all.empty() ? "" : " ") + std::string(name(one));
    }
    return all;
}

} // namespace

const char *path_name(bool reproducible) {
    const OperatorTable *table = chosen(reproducible);
    return table != nullptr ? table->name : nullptr;
}

bool supported(bool reproducible) { return chosen(reproducible) != nullptr; }

const char *compiled_sets() {
    static const std::string names =
        joined_names(operator_sets(), [](const auto &set) { return set.table->name; });
    return names.c_str();
}

const char *runnable_sets() {
    static const std::string names =
        joined_names(operator_tables(), [](const OperatorTable *table) { return table->name; });
    return names.c_str();
}

void sums_of(const std::int8_t *codes, std::int64_t in, std::int64_t out, std::int32_t *sums) {
    const std::int64_t steps = (in + 63) / 64;
    for (std::int64_t n = 0; n < out; ++n) {
        const std::int8_t *column = codes + n / 16 * steps * 1024 + n % 16 * 4;
        std::int32_t sum = 0;
        for (std::int64_t quad = 0; quad < steps * 16; ++quad, column += 64) {
            sum += column[0] + column[1] + column[2] + column[3];
        }
        sums[n] = sum;
    }
}

void product(const float *x, std::int64_t rows, const Norm *norm, const Linear &linear,
             const float *residual, float *out, const Pool &pool) {
    table_for(pool).product(x, rows, norm, linear, residual, out, pool);
}

void bytes_product(const std::uint8_t *x, std::int64_t rows, const Linear &linear, float *out,
                   const Pool &pool) {
    table_for(pool).bytes_product(x, rows, linear, out, pool);
}

void mlp(const float *x, std::int64_t rows, const Norm *norm, const Linear &fc1,
         Activation activation, const Linear &fc2, float *out, const Pool &pool) {
    table_for(pool).mlp(x, rows, norm, fc1, activation, fc2, out, pool);
}

void attention(const Attention &attention, float *out, const Pool &pool) {
    table_for(pool).attention(attention, out, pool);
}

void self_attention(const float *x, const Tokens &tokens, const Norm *norm, const Linear &qkv,
                    const Linear &out_proj, float *out, const Pool &pool) {
    table_for(pool).self_attention(x, tokens, norm, qkv, out_proj, out, pool);
}

namespace float32 {

void product(const float *x, std::int64_t rows, const Norm *norm, const Linear &linear,
             const float *residual, float *out, const Pool &pool) {
    table_for(pool).floats.product(x, rows, norm, linear, residual, out, pool);
}

void bytes_product(const std::uint8_t *x, std::int64_t rows, const Linear &linear, float *out,
                   const Pool &pool) {
    table_for(pool).floats.bytes_product(x, rows, linear, out, pool);
}

void mlp(const float *x, std::int64_t rows, const Norm *norm, const Linear &fc1,
         Activation activation, const Linear &fc2, float *out, const Pool &pool) {
    table_for(pool).floats.mlp(x, rows, norm, fc1, activation, fc2, out, pool);
}

void attention(const Attention &attention, float *out, const Pool &pool) {
    table_for(pool).floats.attention(attention, out, pool);
}

void self_attention(const float *x, const Tokens &tokens, const Norm *norm, const Linear &qkv,
                    const Linear &out_proj, float *out, const Pool &pool) {
    table_for(pool).floats.self_attention(x, tokens, norm, qkv, out_proj, out, pool);
}

void norm(const float *x, std::int64_t rows, std::int64_t width, const Norm &norm, float *out,
          const Pool &pool) {
    table_for(pool).floats.norm(x, rows, width, norm, out, pool);
}

void unit_rows(const float *x, std::int64_t rows, std::int64_t width, float *out,
               const Pool &pool) {
    table_for(pool).floats.unit_rows(x, rows, width, out, pool);
}

} // namespace float32

namespace bf16 {

const char *path_name(bool reproducible) {
    const Extension *extension = chosen_extension(reproducible);
    return extension != nullptr ? extension->name : operators::path_name(reproducible);
}

void product(const float *x, std::int64_t rows, const Norm *norm, const Linear &linear,
             const float *residual, float *out, const Pool &pool) {
    bf16_table_for(pool).product(x, rows, norm, linear, residual, out, pool);
}

void bytes_product(const std::uint8_t *x, std::int64_t rows, const Linear &linear, float *out,
                   const Pool &pool) {
    bf16_table_for(pool).bytes_product(x, rows, linear, out, pool);
}

void mlp(const float *x, std::int64_t rows, const Norm *norm, const Linear &fc1,
         Activation activation, const Linear &fc2, float *out, const Pool &pool) {
    bf16_table_for(pool).mlp(x, rows, norm, fc1, activation, fc2, out, pool);
}

void attention(const Attention &attention, float *out, const Pool &pool) {
    float32::attention(attention, out, pool);
}

void self_attention(const float *x, const Tokens &tokens, const Norm *norm, const Linear &qkv,
                    const Linear &out_proj, float *out, const Pool &pool) {
    bf16_table_for(pool).self_attention(x, tokens, norm, qkv, out_proj, out, pool);
}

} // namespace bf16

} // namespace twinlens::operators
