// bf16_check.cpp - the operators of bf16 towers, by every instruction set that runs here, against
// the formulas of operators/bf16/layers.hpp: sums to the bit.

#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <vector>

#include "check.hpp"
#include "layer_checks.hpp"
#include "operators/bf16/extensions.hpp"
#include "operators/dispatch.hpp"
#include "operators_reference.hpp"
#include "pools.hpp"

namespace {

using namespace check;

float widened(std::uint16_t code) {
    const std::uint32_t bits = std::uint32_t{code} << 16U;
    float number;
    std::memcpy(&number, &bits, sizeof number);
    return number;
}

// The nearer of the two neighbours, the even one in the middle; from infinity on none is nearer.
std::uint16_t rounded(float x) {
    if (std::isnan(x)) {
        return 0x7fc0;
    }
    std::uint32_t bits;
    std::memcpy(&bits, &x, sizeof bits);
    const auto sign = static_cast<std::uint16_t>(bits >> 31U << 15U);
    if (std::fabs(x) < std::numeric_limits<float>::min()) {
        return sign;
    }
    const auto below = static_cast<std::uint16_t>(bits >> 16U & 0x7fffU);
    const std::uint32_t rest = bits & 0xffffU;
    const bool up = rest > 0x8000U || (rest == 0x8000U && below % 2 == 1);
    return static_cast<std::uint16_t>(sign | (below + (up ? 1 : 0)));
}

float nearest(float x) { return widened(rounded(x)); }

// A linear layer with random weights, packed as bf16/layers.hpp says.
struct ShortLinear {
    using Table = bf16::Table;

    std::int64_t in, out;
    Aligned<std::uint16_t> weights;
    Floats bias;

    ShortLinear(std::int64_t in_, std::int64_t out_)
        : ShortLinear(in_, out_, normals((in_ + 1) * out_)) {}
    ShortLinear(Draws &draws, std::int64_t in_, std::int64_t out_)
        : ShortLinear(in_, out_, draws.numbers((in_ + 1) * out_)) {}

    // An identity without bias.
    explicit ShortLinear(std::int64_t width)
        : ShortLinear(width, width, Floats(size((width + 1) * width))) {
        for (std::int64_t n = 0; n < width; ++n) {
            weights[place(n, n)] = rounded(1);
        }
    }

    float weight(std::int64_t n, std::int64_t k) const {
        return k < in ? widened(weights[place(n, k)]) : 0;
    }

    bf16::Linear linear() const { return {weights.data(), bias.data(), in, out}; }

    static float of_byte(std::uint8_t byte) { return static_cast<float>(byte) - 128; }

    // Sums of products of rounded numbers by std::fma, the odd one of a pair first, and the bias.
    Floats exact(const Floats &x) const {
        Floats rows;
        for (std::size_t first = 0; first < x.size(); first += size(in)) {
            const auto number = [&](std::int64_t k) {
                return k < in ? nearest(x[first + size(k)]) : 0;
            };
            for (std::int64_t n = 0; n < out; ++n) {
                float sum = 0;
                for (std::int64_t k = 0; k < in; k += 2) {
                    sum = std::fma(number(k + 1), weight(n, k + 1), sum);
                    sum = std::fma(number(k), weight(n, k), sum);
                }
                rows.push_back(sum + bias[size(n)]);
            }
        }
        return rows;
    }

  private:
    ShortLinear(std::int64_t in_, std::int64_t out_, const Floats &numbers)
        : in(in_), out(out_), weights((out + 31) / 32 * ((in + 1) / 2) * 64),
          bias(numbers.end() - out, numbers.end()) {
        for (std::int64_t n = 0; n < out; ++n) {
            for (std::int64_t k = 0; k < in; ++k) {
                weights[place(n, k)] = rounded(numbers[size(n * in + k)] / 16);
            }
        }
    }

    std::int64_t place(std::int64_t n, std::int64_t k) const {
        return ((n / 32 * ((in + 1) / 2) + k / 2) * 32 + n % 32) * 2 + k % 2;
    }
};

using Set = LayerSet<ShortLinear>;

void check_rounding(const Set &set) {
    Floats x{0.0F, -0.0F, 1.0F, NAN, -NAN, INFINITY, -INFINITY, 3.4e38F, -3.4e38F, 1e-45F, -1e-39F};
    for (const float number : {std::numeric_limits<float>::min(), 1.0F, -3.0F, 255.0F}) {
        for (std::uint32_t last = 0; last < 0x30000U; last += 0x4000U) {
            for (const std::uint32_t off : {0U, 1U, 0x3fffU}) {
                std::uint32_t bits;
                std::memcpy(&bits, &number, sizeof bits);
                bits += last + off;
                float near;
                std::memcpy(&near, &bits, sizeof near);
                x.push_back(near);
            }
        }
    }
    const ShortLinear one(1);
    Floats got(x.size()), wanted;
    set.layers.product(x.data(), static_cast<std::int64_t>(x.size()), nullptr, one.linear(),
                       nullptr, got.data(), pool_of(1));
    bool right = true;
    for (std::size_t i = 0; i < x.size(); ++i) {
        const float number = nearest(x[i]);
        right = right && (std::isnan(number) ? std::isnan(got[i]) : got[i] == number);
    }
    expect(right, "%s: a number is rounded in another way", set.name);
}

// Of sums that are to the bit, an activation in float64, and sums in float64: a number in the
// middle of two of bfloat16 may be rounded to either.
void check_mlp(const Set &set, std::int64_t rows, std::int64_t width, std::int64_t middle,
               Activation activation) {
    const ShortLinear fc1(width, middle), fc2(middle, width);
    const RandomNorm norm(width);
    const Norm given = norm.norm();
    const Floats x = normals(rows * width);
    const Floats got = steady(
        [&](const float *from, std::int64_t n, float *to, const Pool &pool) {
            set.layers.mlp(from, n, &given, fc1.linear(), activation, fc2.linear(), to, pool);
        },
        x, rows, width, width, set.name, "mlp");
    Floats hidden = fc1.exact(normed_by(set.floats, x, width, given));
    for (float &one : hidden) {
        one = static_cast<float>(activated(activation, static_cast<double>(one)));
    }
    const Floats wanted = fc2.exact(hidden);
    double off = 0;
    for (std::size_t i = 0; i < wanted.size(); ++i) {
        off = std::max(off, std::fabs(static_cast<double>(got[i]) - static_cast<double>(x[i]) -
                                      static_cast<double>(wanted[i])));
    }
    expect(off <= 2e-3, "%s mlp: off by %g", set.name, off);
}

void check_set(const Set &set) {
    check_rounding(set);
    for (const std::int64_t rows : {1, 2, 14, 15, 33, 100}) {
        const auto in = one_of<std::int64_t>({1, 8, 61, 64, 255, 512, 513, 1025});
        const auto out = one_of<std::int64_t>({1, 16, 17, 32, 33, 40, 64});
        check_product(set, rows, in, out);
        check_bytes_product(set, rows, in, out);
    }
    for (const std::int64_t rows : {1, 33}) {
        for (const Activation activation :
             {Activation::quick_gelu, Activation::gelu, Activation::gelu_tanh}) {
            check_mlp(set, rows, one_of<std::int64_t>({8, 64, 71}),
                      one_of<std::int64_t>({32, 270, 541}), activation);
        }
    }
    for (const std::int64_t tokens : {1, 50}) {
        check_self_attention(set, whole(1, 4), tokens, 2, 64, tokens == 50);
        check_self_attention(set, whole(1, 4), tokens, 4, 24, false);
    }
    check_nan(set, 127);
    check_empty(set);
    std::printf(
        "bits %s %016llx\n", set.name,
        static_cast<unsigned long long>(layer_bits_of<ShortLinear>(set.layers, pool_of(1))));
}

} // namespace

int main() {
    report_sets(bf16::extensions());
    report_sets(operator_sets());
    const std::vector<const OperatorTable *> &tables = operator_tables();
    if (!tables.empty()) {
        for (const bf16::Extension *own : twinlens::cpu::runnable(bf16::extensions())) {
            check_set({own->name, own->table, tables.front()->floats});
        }
    }
    for (const OperatorTable *table : tables) {
        check_set({table->name, table->bf16_layers, table->floats});
    }
    return finish();
}
