// operators_check.cpp - the operators of int8 towers, by every instruction set that runs here,
// against the formulas of operators/compute.hpp in float64.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <thread>
#include <vector>

#include "check.hpp"
#include "operators/dispatch.hpp"

namespace {

using namespace twinlens::operators;
using check::whole;
using Floats = std::vector<float>;

std::size_t size(std::int64_t n) { return static_cast<std::size_t>(n); }

// Threads of its own for every part, or none, in reverse order.
Pool pool_of(int threads) {
    static bool real = true, in_turn = false;
    const auto run = [](void *state, std::int64_t parts, void (*part)(void *, std::int64_t),
                        void *work) {
        std::vector<std::thread> others;
        for (std::int64_t index = parts - 1; index >= 0; --index) {
            if (*static_cast<bool *>(state)) {
                others.emplace_back(part, work, index);
            } else {
                part(work, index);
            }
        }
        for (std::thread &other : others) {
            other.join();
        }
    };
    return {threads == 2 ? &real : &in_turn, threads, run};
}

// A linear layer with random weights, packed as compute.hpp says.
struct RandomLinear {
    std::int64_t in, out;
    std::vector<std::int64_t> weights; // [out, in]
    check::Aligned<std::int8_t> codes;
    Floats scales, bias;
    std::vector<std::int32_t> sums;

    RandomLinear(std::int64_t in_, std::int64_t out_)
        : in(in_), out(out_), codes((out + 15) / 16 * ((in + 63) / 64) * 1024),
          scales(check::normals(out)), bias(check::normals(out)), sums(size(out)) {
        for (std::int64_t n = 0; n < out; ++n) {
            scales[size(n)] =
                std::fabs(scales[size(n)]) / (127 * std::sqrt(static_cast<float>(in)));
            for (std::int64_t k = 0; k < in; ++k) {
                weights.push_back(n == 0 ? 127 : n == 1 ? -127 : whole(-127, 127));
                codes[((n / 16 * ((in + 63) / 64) + k / 64) * 16 + k % 64 / 4) * 64 + n % 16 * 4 +
                      k % 4] = static_cast<std::int8_t>(weights.back());
            }
        }
        sums_of(codes.data(), in, out, sums.data());
    }

    Linear linear() const {
        return {codes.data(), scales.data(), bias.data(), sums.data(), in, out};
    }

    // Of whole numbers, of which one is worth `step`.
    double value(const std::vector<std::int64_t> &whole_numbers, double step,
                 std::int64_t n) const {
        std::int64_t sum = 0;
        for (std::int64_t k = 0; k < in; ++k) {
            sum += whole_numbers[size(k)] * weights[size(n * in + k)];
        }
        return step * static_cast<double>(scales[size(n)]) * static_cast<double>(sum) +
               static_cast<double>(bias[size(n)]);
    }
};

struct RandomNorm {
    Floats scale, bias;

    explicit RandomNorm(std::int64_t width)
        : scale(check::normals(width, 0.25F)), bias(check::normals(width)) {
        for (float &one : scale) {
            one += 1;
        }
    }

    Norm norm() const { return {scale.data(), bias.data(), 1e-5F}; }
};

Floats normed(const Floats &x, std::int64_t width, const RandomNorm *norm) {
    if (norm == nullptr) {
        return x;
    }
    Floats out(x.size());
    for (std::size_t first = 0; first < x.size(); first += size(width)) {
        double sum = 0, squares = 0;
        for (std::size_t i = first; i < first + size(width); ++i) {
            sum += static_cast<double>(x[i]);
        }
        const double mean = sum / static_cast<double>(width);
        for (std::size_t i = first; i < first + size(width); ++i) {
            squares += (static_cast<double>(x[i]) - mean) * (static_cast<double>(x[i]) - mean);
        }
        const double inverse = 1 / std::sqrt(squares / static_cast<double>(width) + 1e-5);
        for (std::size_t i = first; i < first + size(width); ++i) {
            out[i] = static_cast<float>((static_cast<double>(x[i]) - mean) * inverse *
                                            static_cast<double>(norm->scale[i - first]) +
                                        static_cast<double>(norm->bias[i - first]));
        }
    }
    return out;
}

// linear(x), rows quantised as compute.hpp says: 127 levels on either side, or 255 above `low`.
Floats quantised_linear(const Floats &x, const RandomLinear &linear, bool from_lowest) {
    Floats out;
    const float levels = from_lowest ? 255.0F : 127.0F;
    for (std::size_t first = 0; first < x.size(); first += size(linear.in)) {
        float r = 1e-30F;
        for (std::size_t i = first; i < first + size(linear.in); ++i) {
            r = std::max(r, std::fabs(x[i]));
        }
        std::vector<std::int64_t> codes;
        for (std::size_t i = first; i < first + size(linear.in); ++i) {
            codes.push_back(static_cast<std::int64_t>(std::nearbyint(x[i] / r * levels)));
        }
        for (std::int64_t n = 0; n < linear.out; ++n) {
            out.push_back(static_cast<float>(
                linear.value(codes, static_cast<double>(r) / static_cast<double>(levels), n)));
        }
    }
    return out;
}

double activated(Activation activation, double x) {
    switch (activation) {
    case Activation::quick_gelu:
        return x / (1 + std::exp(-1.702 * x));
    case Activation::gelu:
        return x * std::erfc(-x / std::sqrt(2.0)) / 2;
    case Activation::gelu_tanh:
        return x *
               (1 + std::tanh(std::sqrt(2 / 3.14159265358979323846) * (x + 0.044715 * x * x * x))) /
               2;
    }
    return x;
}

// Where float32 rounds otherwise, a number may become the neighbouring code: rarely.
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
    check::expect(close, "%s %s: off by %g, nine tenths by %g, of %g", table, what,
                  off.empty() ? NAN : static_cast<double>(off.back()),
                  off.empty() ? NAN : static_cast<double>(off[(off.size() - 1) * 9 / 10]),
                  static_cast<double>(largest));
}

// What `compute(x, rows, out, pool)` gives: the same by any number of threads, and row by row.
template <typename Compute>
Floats steady(const Compute &compute, const Floats &x, std::int64_t rows, std::int64_t width,
              std::int64_t out_width, const char *table, const char *what) {
    Floats out(size(rows * out_width), NAN);
    compute(x.data(), rows, out.data(), pool_of(1));
    for (const int threads : {2, 3, 7}) {
        Floats other(out.size(), NAN);
        compute(x.data(), rows, other.data(), pool_of(threads));
        check::expect(check::same_bits(out, other), "%s %s: %lld rows by %d threads", table, what,
                      static_cast<long long>(rows), threads);
    }
    for (int i = 0; i < 3; ++i) {
        const std::int64_t row = whole(0, rows - 1);
        const Floats own(out.begin() + row * out_width, out.begin() + (row + 1) * out_width);
        Floats alone(size(out_width), NAN);
        compute(x.data() + row * width, 1, alone.data(), pool_of(2));
        check::expect(check::same_bits(own, alone), "%s %s: row %lld of %lld", table, what,
                      static_cast<long long>(row), static_cast<long long>(rows));
    }
    return out;
}

void check_product(const OperatorTable &table, std::int64_t rows, std::int64_t in, std::int64_t out,
                   bool behind_norm) {
    const RandomLinear linear(in, out);
    const RandomNorm norm(in);
    const Norm given = norm.norm();
    const Floats x = check::normals(rows * in);
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
    const Floats residual = check::normals(rows * out);
    Floats added = residual;
    table.product(x.data(), rows, behind_norm ? &given : nullptr, linear.linear(), added.data(),
                  added.data(), pool_of(2));
    bool same = true;
    for (std::size_t i = 0; i < got.size(); ++i) {
        same = same && added[i] == got[i] + residual[i];
    }
    check::expect(same, "%s product: a residual", table.name);
}

void check_bytes_product(const OperatorTable &table, std::int64_t rows, std::int64_t in,
                         std::int64_t out) {
    const RandomLinear linear(in, out);
    std::vector<std::uint8_t> x(size(rows * in));
    for (std::uint8_t &byte : x) {
        byte = static_cast<std::uint8_t>(check::one_of<std::int64_t>({0, 255, whole(0, 255)}));
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

void check_mlp(const OperatorTable &table, std::int64_t rows, std::int64_t width,
               std::int64_t middle, Activation activation) {
    const RandomLinear fc1(width, middle), fc2(middle, width);
    const RandomNorm norm(width);
    const Norm given = norm.norm();
    const Floats x = check::normals(rows * width);
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

// softmax(q k^T) v of one query, in float64.
std::vector<double> attended(const Attention &all, std::int64_t item, std::int64_t head,
                             std::int64_t query) {
    std::int64_t keys = all.counts == nullptr ? all.keys : all.counts[item];
    keys = all.causal ? std::min(query + 1, keys) : keys;
    const std::int64_t at = head * all.head_width;
    const float *q = all.query + (item * all.queries + query) * all.query_stride + at;
    std::vector<double> scores, sums(size(all.head_width));
    double most = -std::numeric_limits<double>::infinity(), total = 0;
    for (std::int64_t key = 0; key < keys; ++key) {
        const float *k = all.key + (item * all.keys + key) * all.key_stride + at;
        double score = 0;
        for (std::int64_t i = 0; i < all.head_width; ++i) {
            score += static_cast<double>(q[i]) * static_cast<double>(k[i]);
        }
        scores.push_back(score);
        most = std::max(most, score);
    }
    for (std::int64_t key = 0; key < keys; ++key) {
        const float *v = all.value + (item * all.keys + key) * all.value_stride + at;
        const double share = std::exp(scores[size(key)] - most);
        total += share;
        for (std::int64_t i = 0; i < all.head_width; ++i) {
            sums[size(i)] += share * static_cast<double>(v[i]);
        }
    }
    for (double &sum : sums) {
        sum = keys == 0 ? 0 : sum / total;
    }
    return sums;
}

void check_attention(const OperatorTable &table, std::int64_t batch, std::int64_t tokens,
                     std::int64_t heads, std::int64_t head_width, bool causal, bool counted) {
    const std::int64_t width = heads * head_width;
    Floats qkv = check::normals(batch * tokens * 3 * width);
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
    check::expect(check::same_bits(out, other), "%s attention: by 2 threads", table.name);
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
    check::expect(numbers && off <= bound, "%s attention: %lld tokens, heads of %lld, off by %g",
                  table.name, static_cast<long long>(tokens), static_cast<long long>(head_width),
                  off);
}

// The same to the bit as its three parts.
void check_self_attention(const OperatorTable &table, std::int64_t batch, std::int64_t tokens,
                          std::int64_t heads, std::int64_t head_width, bool causal) {
    const std::int64_t width = heads * head_width;
    const RandomLinear qkv(width, 3 * width), out_proj(width, width);
    const RandomNorm norm(width);
    const Norm given = norm.norm();
    const Floats x = check::normals(batch * tokens * width);
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
        check::expect(check::same_bits(got, wanted),
                      "%s self_attention: %lld items of %lld tokens, %d threads", table.name,
                      static_cast<long long>(batch), static_cast<long long>(tokens), threads);
    }
}

void check_nan(const OperatorTable &table) {
    constexpr std::int64_t rows = 33, width = 64;
    const RandomLinear fc1(width, 128), fc2(128, width);
    Floats x = check::normals(rows * width), clean(x.size()), spoilt(x.size());
    table.mlp(x.data(), rows, nullptr, fc1.linear(), Activation::gelu, fc2.linear(), clean.data(),
              pool_of(1));
    x[7 * width + 3] = NAN;
    table.mlp(x.data(), rows, nullptr, fc1.linear(), Activation::gelu, fc2.linear(), spoilt.data(),
              pool_of(1));
    bool right = true;
    for (std::size_t i = 0; i < clean.size(); ++i) {
        right = right && (i / width == 7 ? std::isnan(spoilt[i]) : spoilt[i] == clean[i]);
    }
    check::expect(right, "%s mlp: a row with a NaN spoils others, or itself not", table.name);
}

void check_table(const OperatorTable &table) {
    for (const std::int64_t rows : {1, 2, 15, 16, 17, 31, 33, 64, 100, 200}) {
        const auto in = check::one_of<std::int64_t>({8, 60, 64, 72, 192, 328, 1100});
        const auto out = check::one_of<std::int64_t>({2, 16, 17, 33, 40, 64, 200});
        check_product(table, rows, in, out, rows % 2 == 0);
        check_bytes_product(table, rows, in, out);
    }
    for (const std::int64_t rows : {1, 5, 32, 130}) {
        for (const Activation activation :
             {Activation::quick_gelu, Activation::gelu, Activation::gelu_tanh}) {
            check_mlp(table, rows, check::one_of<std::int64_t>({8, 64, 72}),
                      check::one_of<std::int64_t>({32, 250}), activation);
        }
    }
    for (const std::int64_t tokens : {1, 2, 6, 7, 15, 16, 17, 33, 50, 90}) {
        const auto head_width = check::one_of<std::int64_t>({8, 16, 18, 64, 72, 100});
        check_attention(table, 2, tokens, 2, head_width, tokens % 2 == 0, tokens % 3 == 0);
    }
    for (const std::int64_t tokens : {1, 7, 50, 77}) {
        check_self_attention(table, whole(1, 4), tokens, 3, 64, tokens == 77);
        check_self_attention(table, whole(1, 4), tokens, 4, 16, tokens == 7);
    }
    check_self_attention(table, 3, 257, 2, 64, false);
    check_nan(table);
}

} // namespace

int main() {
    check::report_sets(operator_sets());
    for (const OperatorTable *table : operator_tables()) {
        check_table(*table);
    }
    check::expect(supported() == !operator_tables().empty(), "supported()");
    return check::finish();
}
