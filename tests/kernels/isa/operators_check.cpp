// operators_check.cpp - the operators of int8 towers, by every instruction set that runs here,
// against the formulas of operators/compute.hpp in float64.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "check.hpp"
#include "common_bits.hpp"
#include "operators/dispatch.hpp"
#include "operators_reference.hpp"
#include "pools.hpp"

namespace {

using namespace check;

// Expects nine tenths to be close. float32 may round to the neighbouring code, rarely.
void expect_close(const Floats &got, const Floats &wanted, const char *table, const char *what) {
    Floats off;
    float largest = 1;
    bool numbers = got.size() == wanted.size();
    for (std::size_t i = 0; numbers && i < got.size(); ++i) {
        off.push_back(std::fabs(got[i] - wanted[i]));
        largest = std::max(largest, std::fabs(wanted[i]));
        numbers = std::isfinite(got[i]);
    }
    std::sort(off.begin(), off.end());
    const bool close = numbers && !off.empty() &&
                       off[(off.size() - 1) * 9 / 10] <= 2e-5F * largest &&
                       off.back() <= 0.05F * largest;
    expect(close, "%s %s: off by %g, nine tenths by %g, of %g", table, what,
           off.empty() ? NAN : static_cast<double>(off.back()),
           off.empty() ? NAN : static_cast<double>(off[(off.size() - 1) * 9 / 10]),
           static_cast<double>(largest));
}

void check_product(const OperatorTable &table, std::int64_t rows, std::int64_t in, std::int64_t out,
                   bool behind_norm) {
    const RandomLinear linear(in, out);
    const RandomNorm norm(in);
    const Norm given = norm.norm();
    const Floats x = normals(rows * in);
    const Floats got = steady(
        [&](const float *from, std::int64_t n, float *to, const Pool &pool) {
            table.product(from, n, behind_norm ? &given : nullptr, linear.linear(), nullptr, to,
                          pool);
        },
        x, rows, in, out, table.name, "product");
    const Floats wanted =
        quantised_linear(normed(x, in, behind_norm ? &norm : nullptr), linear, false);
    expect_close(got, wanted, table.name, "product");
    // A residual is added to the very same values, and may be the output itself.
    const Floats residual = normals(rows * out);
    Floats added = residual;
    table.product(x.data(), rows, behind_norm ? &given : nullptr, linear.linear(), added.data(),
                  added.data(), pool_of(2));
    bool same = true;
    for (std::size_t i = 0; i < got.size(); ++i) {
        same = same && added[i] == got[i] + residual[i];
    }
    expect(same, "%s product: a residual", table.name);
}

void check_bytes_product(const OperatorTable &table, std::int64_t rows, std::int64_t in,
                         std::int64_t out) {
    const RandomLinear linear(in, out);
    std::vector<std::uint8_t> x(size(rows * in));
    for (std::uint8_t &byte : x) {
        byte = static_cast<std::uint8_t>(one_of<std::int64_t>({0, 255, whole(0, 255)}));
    }
    Floats got(size(rows * out)), wanted;
    table.bytes_product(x.data(), rows, linear.linear(), got.data(), pool_of(3));
    for (std::int64_t row = 0; row < rows; ++row) {
        std::vector<std::int64_t> centred;
        for (std::int64_t k = 0; k < in; ++k) {
            centred.push_back(x[size(row * in + k)] - 128);
        }
        for (std::int64_t n = 0; n < out; ++n) {
            wanted.push_back(static_cast<float>(linear.value(centred, 1, n)));
        }
    }
    expect_close(got, wanted, table.name, "bytes_product");
}

// Sums at the ends of what 16 bits hold: codes of 0 and 255, pairs of weights whose sums are at a
// bound of a product of bytes, or beyond it. Each sum is exact.
void check_extremes(const OperatorTable &table) {
    constexpr std::int64_t rows = 130, in = 1100, out = 40;
    RandomLinear linear(in, out);
    for (std::int64_t n = 0; n < out; ++n) {
        const std::int64_t often = n % 4 == 3 ? 2 : 64; // one pair in so many is beyond the bound
        for (std::int64_t k = 0; k < in; k += 2) {
            const auto bound = one_of<std::int64_t>({1, 28, 64, 100, 127});
            const auto sign = one_of<std::int64_t>({-1, 1});
            const bool beyond = whole(1, often) == 1;
            linear.set(n, k, sign * (beyond ? 127 : bound));
            linear.set(n, k + 1, sign * (beyond ? 127 : 128 - bound));
        }
    }
    linear.finish();
    std::vector<std::uint8_t> x(size(rows * in));
    for (std::uint8_t &byte : x) {
        byte = static_cast<std::uint8_t>(one_of<std::int64_t>({0, 255, 255, 1, 254}));
    }
    Floats got(size(rows * out));
    table.bytes_product(x.data(), rows, linear.linear(), got.data(), pool_of(1));
    bool exact = true;
    for (std::int64_t row = 0; row < rows; ++row) {
        for (std::int64_t n = 0; n < out; ++n) {
            std::int64_t sum = 0;
            for (std::int64_t k = 0; k < in; ++k) {
                sum += (x[size(row * in + k)] - 128) * linear.weights[size(n * in + k)];
            }
            exact = exact && got[size(row * out + n)] == static_cast<float>(sum);
        }
    }
    expect(exact, "%s bytes_product: a sum at the bounds of 16 bits", table.name);
}

void check_mlp(const OperatorTable &table, std::int64_t rows, std::int64_t width,
               std::int64_t middle, Activation activation) {
    const RandomLinear fc1(width, middle), fc2(middle, width);
    const RandomNorm norm(width);
    const Norm given = norm.norm();
    const Floats x = normals(rows * width);
    const Floats got = steady(
        [&](const float *from, std::int64_t n, float *to, const Pool &pool) {
            table.mlp(from, n, &given, fc1.linear(), activation, fc2.linear(), to, pool);
        },
        x, rows, width, width, table.name, "mlp");
    Floats raised = quantised_linear(normed(x, width, &norm), fc1, false);
    for (float &one : raised) {
        one = static_cast<float>(activated(activation, static_cast<double>(one)) -
                                 static_cast<double>(lowest));
    }
    Floats wanted = quantised_linear(raised, fc2, true);
    for (std::size_t i = 0; i < wanted.size(); ++i) {
        wanted[i] += x[i];
    }
    expect_close(got, wanted, table.name, "mlp");
}

void check_attention(const OperatorTable &table, std::int64_t batch, std::int64_t tokens,
                     std::int64_t heads, std::int64_t head_width, bool causal, bool counted) {
    const std::int64_t width = heads * head_width;
    Floats qkv = normals(batch * tokens * 3 * width);
    for (std::size_t i = 0; i < qkv.size(); ++i) {
        if (static_cast<std::int64_t>(i) % (3 * width) < width) {
            qkv[i] *= 2 / std::sqrt(static_cast<float>(head_width));
        }
    }
    std::vector<std::int64_t> counts;
    for (std::int64_t item = 0; item < batch; ++item) {
        counts.push_back(whole(item == 0 ? 0 : 1, tokens));
    }
    Attention all{};
    all.query = qkv.data();
    all.key = qkv.data() + width;
    all.value = qkv.data() + 2 * width;
    all.query_stride = all.key_stride = all.value_stride = 3 * width;
    all.batch = batch;
    all.heads = heads;
    all.head_width = head_width;
    all.queries = all.keys = tokens;
    all.causal = causal;
    all.counts = counted ? counts.data() : nullptr;
    Floats out(size(batch * tokens * width), NAN), other(out);
    table.attention(all, out.data(), pool_of(1));
    table.attention(all, other.data(), pool_of(2));
    expect(same_bits(out, other), "%s attention: by 2 threads", table.name);
    // On AMX the products are of bfloat16, which has 8 bits.
    const double bound = table.name == std::string("amx") ? 0.06 : 2e-5;
    double off = 0;
    bool numbers = true;
    for (std::int64_t item = 0; item < batch; ++item) {
        for (std::int64_t head = 0; head < heads; ++head) {
            for (std::int64_t query = 0; query < tokens; ++query) {
                const std::vector<double> wanted = attended(all, item, head, query);
                for (std::int64_t i = 0; i < head_width; ++i) {
                    const double got = static_cast<double>(
                        out[size((item * tokens + query) * width + head * head_width + i)]);
                    off = std::max(off, std::fabs(got - wanted[size(i)]));
                    numbers = numbers && std::isfinite(got);
                }
            }
        }
    }
    expect(numbers && off <= bound, "%s attention: %lld tokens, heads of %lld, off by %g",
           table.name, static_cast<long long>(tokens), static_cast<long long>(head_width), off);
}

// The same to the bit as its three parts.
void check_self_attention(const OperatorTable &table, std::int64_t batch, std::int64_t tokens,
                          std::int64_t heads, std::int64_t head_width, bool causal) {
    const std::int64_t width = heads * head_width;
    const RandomLinear qkv(width, 3 * width), out_proj(width, width);
    const RandomNorm norm(width);
    const Norm given = norm.norm();
    const Floats x = normals(batch * tokens * width);
    Floats joined(size(batch * tokens * 3 * width)), mixed(x.size()), wanted(x.size());
    const Pool pool = pool_of(1);
    table.product(x.data(), batch * tokens, &given, qkv.linear(), nullptr, joined.data(), pool);
    Attention all{};
    all.query = joined.data();
    all.key = joined.data() + width;
    all.value = joined.data() + 2 * width;
    all.query_stride = all.key_stride = all.value_stride = 3 * width;
    all.batch = batch;
    all.heads = heads;
    all.head_width = head_width;
    all.queries = all.keys = tokens;
    all.causal = causal;
    table.attention(all, mixed.data(), pool);
    table.product(mixed.data(), batch * tokens, nullptr, out_proj.linear(), x.data(), wanted.data(),
                  pool);
    for (const int threads : {1, 2, 3, 7}) {
        Floats got(x.size(), NAN);
        table.self_attention(x.data(), {batch, tokens, heads, causal, nullptr}, &given,
                             qkv.linear(), out_proj.linear(), got.data(), pool_of(threads));
        expect(same_bits(got, wanted), "%s self_attention: %lld items of %lld tokens, %d threads",
               table.name, static_cast<long long>(batch), static_cast<long long>(tokens), threads);
    }
}

void check_nan(const OperatorTable &table) {
    constexpr std::int64_t rows = 33, width = 64;
    const RandomLinear fc1(width, 128), fc2(128, width);
    Floats x = normals(rows * width), clean(x.size()), spoilt(x.size());
    table.mlp(x.data(), rows, nullptr, fc1.linear(), Activation::gelu, fc2.linear(), clean.data(),
              pool_of(1));
    x[7 * width + 3] = NAN;
    table.mlp(x.data(), rows, nullptr, fc1.linear(), Activation::gelu, fc2.linear(), spoilt.data(),
              pool_of(1));
    bool right = true;
    for (std::size_t i = 0; i < clean.size(); ++i) {
        right = right && (i / width == 7 ? std::isnan(spoilt[i]) : spoilt[i] == clean[i]);
    }
    expect(right, "%s mlp: a row with a NaN spoils others, or itself not", table.name);
}

void check_table(const OperatorTable &table) {
    for (const std::int64_t rows : {1, 2, 15, 16, 17, 31, 33, 64, 100, 200}) {
        const auto in = one_of<std::int64_t>({8, 60, 64, 72, 192, 328, 1100});
        const auto out = one_of<std::int64_t>({2, 16, 17, 33, 40, 64, 200});
        check_product(table, rows, in, out, rows % 2 == 0);
        check_bytes_product(table, rows, in, out);
    }
    for (const std::int64_t rows : {1, 5, 32, 130}) {
        for (const Activation activation :
             {Activation::quick_gelu, Activation::gelu, Activation::gelu_tanh}) {
            check_mlp(table, rows, one_of<std::int64_t>({8, 64, 72}),
                      one_of<std::int64_t>({32, 250}), activation);
        }
    }
    for (const std::int64_t tokens : {1, 2, 6, 7, 15, 16, 17, 33, 50, 90}) {
        const auto head_width = one_of<std::int64_t>({8, 16, 18, 64, 72, 100});
        check_attention(table, 2, tokens, 2, head_width, tokens % 2 == 0, tokens % 3 == 0);
    }
    for (const std::int64_t tokens : {1, 7, 50, 77}) {
        check_self_attention(table, whole(1, 4), tokens, 3, 64, tokens == 77);
        check_self_attention(table, whole(1, 4), tokens, 4, 16, tokens == 7);
    }
    check_self_attention(table, 3, 257, 2, 64, false);
    check_nan(table);
    check_extremes(table);
}

// Of a table, and of its reproducible variant.
void check_with_variant(const OperatorTable &table) {
    const OperatorTable &same = table.reproducible ? table : *table.reproducible_variant;
    if (is_whole(table.name)) {
        check_table(table);
        if (&same != &table) {
            check_table(same);
        }
    }
    std::printf("bits %s %016llx\n", same.name,
                static_cast<unsigned long long>(bits_of(same, pool_of(1))));
}

} // namespace

#if defined(TWINLENS_EMULATED_AMX)

namespace twinlens::operators {
extern const OperatorTable emulated_amx_operators;
} // namespace twinlens::operators

int main() {
    check_with_variant(emulated_amx_operators);
    return finish();
}

#else

int main(int count, char **words) {
    read_sets(count, words);
    report_sets(operator_sets());
    for (const OperatorTable *table : operator_tables()) {
        check_with_variant(*table);
    }
    expect(supported(false) == !operator_tables().empty(), "supported()");
    return finish();
}

#endif
