// bf16_check.cpp - the operators of bf16 towers, by every instruction set that runs here, against
// the formulas of operators/bf16/layers.hpp: sums to the bit.

#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <vector>

#include "check.hpp"
#include "float32_bits.hpp"
#include "operators/bf16/extensions.hpp"
#include "operators/dispatch.hpp"
#include "operators_reference.hpp"
#include "pools.hpp"

namespace {

using namespace check;

using Codes = std::vector<std::uint16_t>;

// The layers of one instruction set, and the float32 layers of any.
struct Set {
    const char *name;
    const bf16::Table &layers;
    const float32::Table &floats;
};

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

// Sums of products of rounded numbers by std::fma, the odd one of a pair first, and the bias.
Floats exact_linear(const Floats &x, const ShortLinear &linear) {
    Floats out;
    for (std::size_t first = 0; first < x.size(); first += size(linear.in)) {
        const auto number = [&](std::int64_t k) {
            return k < linear.in ? nearest(x[first + size(k)]) : 0;
        };
        for (std::int64_t n = 0; n < linear.out; ++n) {
            float sum = 0;
            for (std::int64_t k = 0; k < linear.in; k += 2) {
                sum = std::fma(number(k + 1), linear.weight(n, k + 1), sum);
                sum = std::fma(number(k), linear.weight(n, k), sum);
            }
            out.push_back(sum + linear.bias[size(n)]);
        }
    }
    return out;
}

// x behind a norm, to the bit: an identity of float32 keeps each number.
Floats normed_by(const Set &set, const Floats &x, std::int64_t width, const Norm &norm) {
    PackedLinear identity(width, width);
    for (std::int64_t n = 0; n < width; ++n) {
        for (std::int64_t k = 0; k < width; ++k) {
            identity.weights[(n / 32 * width + k) * 32 + n % 32] = n == k ? 1 : 0;
        }
        identity.bias[size(n)] = 0;
    }
    Floats out(x.size());
    set.floats.product(x.data(), static_cast<std::int64_t>(x.size()) / width, &norm,
                       identity.linear(), nullptr, out.data(), pool_of(1));
    return out;
}

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

void check_product(const Set &set, std::int64_t rows, std::int64_t in, std::int64_t out) {
    const ShortLinear linear(in, out);
    const RandomNorm norm(in);
    const Norm given = norm.norm();
    const Floats x = normals(rows * in);
    const auto compute = [&](const Norm *own, const float *residual) {
        return [&set, &linear, own, residual](const float *from, std::int64_t n, float *to,
                                              const Pool &pool) {
            set.layers.product(from, n, own, linear.linear(), residual, to, pool);
        };
    };
    const Floats got = steady(compute(nullptr, nullptr), x, rows, in, out, set.name, "product");
    expect(same_bits(got, exact_linear(x, linear)), "%s product: %lld rows, %lld by %lld", set.name,
           static_cast<long long>(rows), static_cast<long long>(in), static_cast<long long>(out));
    const Floats behind = steady(compute(&given, nullptr), x, rows, in, out, set.name, "norm");
    expect(same_bits(behind, exact_linear(normed_by(set, x, in, given), linear)), "%s norm",
           set.name);
    // A residual is added to the very same values, and may be the output itself.
    const Floats residual = normals(rows * out);
    Floats added = residual, wanted = got;
    compute(nullptr, added.data())(x.data(), rows, added.data(), pool_of(2));
    for (std::size_t i = 0; i < got.size(); ++i) {
        wanted[i] += residual[i];
    }
    expect(same_bits(added, wanted), "%s product: a residual", set.name);
}

void check_bytes_product(const Set &set, std::int64_t rows, std::int64_t in, std::int64_t out) {
    const ShortLinear linear(in, out);
    std::vector<std::uint8_t> x(size(rows * in));
    Floats lowered;
    for (std::uint8_t &byte : x) {
        byte = static_cast<std::uint8_t>(whole(0, 255));
        lowered.push_back(static_cast<float>(byte) - 128);
    }
    Floats got(size(rows * out));
    set.layers.bytes_product(x.data(), rows, linear.linear(), got.data(), pool_of(3));
    expect(same_bits(got, exact_linear(lowered, linear)), "%s bytes_product", set.name);
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
    Floats hidden = exact_linear(normed_by(set, x, width, given), fc1);
    for (float &one : hidden) {
        one = static_cast<float>(activated(activation, static_cast<double>(one)));
    }
    const Floats wanted = exact_linear(hidden, fc2);
    double off = 0;
    for (std::size_t i = 0; i < wanted.size(); ++i) {
        off = std::max(off, std::fabs(static_cast<double>(got[i]) - static_cast<double>(x[i]) -
                                      static_cast<double>(wanted[i])));
    }
    expect(off <= 2e-3, "%s mlp: off by %g", set.name, off);
}

// The same to the bit as its three parts.
void check_self_attention(const Set &set, std::int64_t batch, std::int64_t tokens,
                          std::int64_t heads, std::int64_t head_width, bool causal) {
    const std::int64_t width = heads * head_width, rows = batch * tokens;
    const ShortLinear qkv(width, 3 * width), out_proj(width, width);
    const RandomNorm norm(width);
    const Norm given = norm.norm();
    const Floats x = normals(rows * width);
    Floats joined(size(rows * 3 * width)), mixed(x.size()), wanted(x.size());
    const Pool pool = pool_of(1);
    set.layers.product(x.data(), rows, &given, qkv.linear(), nullptr, joined.data(), pool);
    const std::int64_t stride = 3 * width;
    const float *first = joined.data();
    set.floats.attention({first, first + width, first + 2 * width, stride, stride, stride, batch,
                          heads, head_width, tokens, tokens, causal, nullptr},
                         mixed.data(), pool);
    set.layers.product(mixed.data(), rows, nullptr, out_proj.linear(), x.data(), wanted.data(),
                       pool);
    for (const int threads : {1, 2, 3, 7}) {
        Floats got(x.size(), NAN);
        set.layers.self_attention(x.data(), {batch, tokens, heads, causal, nullptr}, &given,
                                  qkv.linear(), out_proj.linear(), got.data(), pool_of(threads));
        expect(same_bits(got, wanted), "%s self_attention: %lld items of %lld tokens, %d threads",
               set.name, static_cast<long long>(batch), static_cast<long long>(tokens), threads);
    }
}

void check_nan(const Set &set) {
    constexpr std::int64_t rows = 33, width = 64;
    const ShortLinear fc1(width, 127), fc2(127, width);
    Floats x = normals(rows * width), clean(x.size()), spoilt(x.size());
    const auto compute = [&](Floats &out) {
        set.layers.mlp(x.data(), rows, nullptr, fc1.linear(), Activation::gelu, fc2.linear(),
                       out.data(), pool_of(1));
    };
    compute(clean);
    x[7 * width + 3] = NAN;
    compute(spoilt);
    bool right = true;
    for (std::size_t i = 0; i < clean.size(); ++i) {
        right = right && (i / width == 7 ? std::isnan(spoilt[i]) : spoilt[i] == clean[i]);
    }
    expect(right, "%s mlp: a row with a NaN spoils others, or itself not", set.name);
}

// An empty batch writes nothing, whatever the threads.
void check_empty(const Set &set) {
    const ShortLinear fc1(32, 96), fc2(96, 32), back(32, 32);
    const Floats none(1);
    for (const int threads : {1, 3}) {
        Floats out(1, 7);
        const Pool pool = pool_of(threads);
        set.layers.product(none.data(), 0, nullptr, fc1.linear(), nullptr, out.data(), pool);
        set.layers.mlp(none.data(), 0, nullptr, fc1.linear(), Activation::gelu, fc2.linear(),
                       out.data(), pool);
        set.layers.self_attention(none.data(), {0, 7, 2, false, nullptr}, nullptr, fc1.linear(),
                                  back.linear(), out.data(), pool);
        expect(out[0] == 7, "%s: an empty batch by %d threads", set.name, threads);
    }
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
    check_nan(set);
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
