// float32_check.cpp - the operators of float32 towers, by every instruction set that runs here,
// against the formulas of operators/float32/layers.hpp: sums to the bit, the rest in float64.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "check.hpp"
#include "layer_checks.hpp"
#include "operators/dispatch.hpp"
#include "operators_reference.hpp"
#include "pools.hpp"

namespace {

using namespace check;

using Set = LayerSet<PackedLinear>;

// linear(x) in float64.
std::vector<double> linear64(const std::vector<double> &x, const PackedLinear &linear) {
    std::vector<double> out;
    for (std::size_t first = 0; first < x.size(); first += size(linear.in)) {
        for (std::int64_t n = 0; n < linear.out; ++n) {
            double sum = static_cast<double>(linear.bias[size(n)]);
            for (std::int64_t k = 0; k < linear.in; ++k) {
                sum += x[first + size(k)] * static_cast<double>(linear.weight(n, k));
            }
            out.push_back(sum);
        }
    }
    return out;
}

std::vector<double> widened(const Floats &x) { return {x.begin(), x.end()}; }

void expect_close(const Floats &got, const std::vector<double> &wanted, const char *table,
                  const char *what) {
    double off = 0, largest = 1;
    for (std::size_t i = 0; i < got.size(); ++i) {
        off = std::max(off, std::fabs(static_cast<double>(got[i]) - wanted[i]));
        largest = std::max(largest, std::fabs(wanted[i]));
    }
    expect(got.size() == wanted.size() && off <= 3e-6 * largest, "%s %s: off by %g of %g", table,
           what, off, largest);
}

// A norm before the product, in float64.
void check_normed_product(const OperatorTable &table, std::int64_t rows, std::int64_t in,
                          std::int64_t out) {
    const PackedLinear linear(in, out);
    const RandomNorm norm(in);
    const Norm given = norm.norm();
    const Floats x = normals(rows * in);
    Floats got(size(rows * out));
    table.floats.product(x.data(), rows, &given, linear.linear(), nullptr, got.data(), pool_of(1));
    expect_close(got, linear64(widened(normed(x, in, &norm)), linear), table.name, "norm");
}

void check_mlp(const OperatorTable &table, std::int64_t rows, std::int64_t width,
               std::int64_t middle, Activation activation) {
    const PackedLinear fc1(width, middle), fc2(middle, width);
    const RandomNorm norm(width);
    const Norm given = norm.norm();
    const Floats x = normals(rows * width);
    const Floats got = steady(
        [&](const float *from, std::int64_t n, float *to, const Pool &pool) {
            table.floats.mlp(from, n, &given, fc1.linear(), activation, fc2.linear(), to, pool);
        },
        x, rows, width, width, table.name, "mlp");
    std::vector<double> hidden = linear64(widened(normed(x, width, &norm)), fc1);
    for (double &one : hidden) {
        one = activated(activation, one);
    }
    std::vector<double> wanted = linear64(hidden, fc2);
    for (std::size_t i = 0; i < wanted.size(); ++i) {
        wanted[i] += static_cast<double>(x[i]);
    }
    expect_close(got, wanted, table.name, "mlp");
}

// Numbers around a mean, of every size that a row may have.
Floats offset_rows(std::int64_t rows, std::int64_t width) {
    Floats x = normals(rows * width);
    const float size = std::exp2(static_cast<float>(whole(-20, 20))), mean = normal();
    for (float &one : x) {
        one = size * (one + mean);
    }
    return x;
}

void check_norm(const OperatorTable &table, std::int64_t rows, std::int64_t width) {
    const RandomNorm norm(width);
    const Norm given = norm.norm();
    const Floats x = offset_rows(rows, width);
    const Floats got =
        steady([&](const float *from, std::int64_t n, float *to,
                   const Pool &pool) { table.floats.norm(from, n, width, given, to, pool); },
               x, rows, width, width, table.name, "norm");
    expect_close(got, widened(normed(x, width, &norm)), table.name, "norm");
}

void check_unit_rows(const OperatorTable &table, std::int64_t rows, std::int64_t width) {
    const Floats x = offset_rows(rows, width);
    const Floats got =
        steady([&](const float *from, std::int64_t n, float *to,
                   const Pool &pool) { table.floats.unit_rows(from, n, width, to, pool); },
               x, rows, width, width, table.name, "unit_rows");
    double off = 0;
    for (std::int64_t row = 0; row < rows; ++row) {
        double squares = 0;
        for (std::int64_t i = 0; i < width; ++i) {
            squares += std::pow(static_cast<double>(x[size(row * width + i)]), 2);
        }
        for (std::int64_t i = 0; i < width; ++i) {
            const double wanted =
                static_cast<double>(x[size(row * width + i)]) / std::sqrt(squares);
            off =
                std::max(off, std::fabs(static_cast<double>(got[size(row * width + i)]) - wanted));
        }
    }
    expect(off <= 3e-7, "%s unit_rows: %lld of %lld, off by %g", table.name,
           static_cast<long long>(rows), static_cast<long long>(width), off);
}

// Rows without a length or with a NaN are NaN, and spoil no other.
void check_rows_without_length(const OperatorTable &table) {
    constexpr std::int64_t width = 70;
    Floats x = normals(4 * width), got(x.size());
    for (std::int64_t i = 0; i < width; ++i) {
        x[size(width + i)] = 0;
    }
    x[size(2 * width + 69)] = NAN;
    table.floats.unit_rows(x.data(), 4, width, got.data(), pool_of(1));
    for (std::size_t i = 0; i < got.size(); ++i) {
        const std::size_t row = i / width;
        expect(std::isnan(got[i]) == (row == 1 || row == 2), "%s unit_rows: row %lld", table.name,
               static_cast<long long>(row));
    }
}

// An empty batch writes nothing, whatever the threads.
void check_no_rows(const OperatorTable &table) {
    const Floats none(1);
    for (const int threads : {1, 2, 3}) {
        Floats out(1, 7);
        const Pool pool = pool_of(threads);
        table.floats.norm(none.data(), 0, 1, {none.data(), none.data(), 1}, out.data(), pool);
        table.floats.unit_rows(none.data(), 0, 1, out.data(), pool);
        expect(out[0] == 7, "%s: no rows by %d threads", table.name, threads);
    }
}

void check_table(const OperatorTable &table) {
    const Set set{table.name, table.floats, table.floats};
    for (const std::int64_t rows : {1, 2, 13, 14, 15, 29, 33, 100, 200}) {
        const auto in = one_of<std::int64_t>({1, 8, 61, 64, 255, 256, 257, 600});
        const auto out = one_of<std::int64_t>({1, 16, 17, 32, 33, 40, 64});
        check_product(set, rows, in, out);
        check_normed_product(table, rows, in, out);
        check_bytes_product(set, rows, in, out);
    }
    for (const std::int64_t rows : {1, 5, 32, 130}) {
        for (const Activation activation :
             {Activation::quick_gelu, Activation::gelu, Activation::gelu_tanh}) {
            check_mlp(table, rows, one_of<std::int64_t>({8, 64, 72}),
                      one_of<std::int64_t>({32, 270}), activation);
        }
    }
    for (const std::int64_t tokens : {1, 7, 50, 77}) {
        check_self_attention(set, whole(1, 4), tokens, 3, 64, tokens == 77);
        check_self_attention(set, whole(1, 4), tokens, 4, 24, tokens == 7);
    }
    check_self_attention(set, 3, 257, 1, 64, false);
    for (const std::int64_t rows : {1, 2, 50, 400}) {
        const auto width = one_of<std::int64_t>({1, 15, 16, 63, 64, 65, 200, 768, 1152});
        check_norm(table, rows, width);
        check_unit_rows(table, rows, width);
    }
    check_rows_without_length(table);
    check_nan(set, 128);
    check_empty(set);
    check_no_rows(table);
}

} // namespace

int main(int count, char **words) {
    read_sets(count, words);
    report_sets(operator_sets());
    for (const OperatorTable *table : operator_tables()) {
        if (is_whole(table->name)) {
            check_table(*table);
        }
        std::printf("bits %s %016llx\n", table->name,
                    static_cast<unsigned long long>(float_bits_of(*table, pool_of(1))));
        std::printf("row_bits %s %016llx\n", table->name,
                    static_cast<unsigned long long>(row_bits_of(*table, pool_of(1))));
    }
    return finish();
}
