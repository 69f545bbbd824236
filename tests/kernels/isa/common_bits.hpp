// common_bits.hpp - the bits of every operator on fixed inputs, easy ones and hard ones, in one
// number: the same for every instruction set, processor and compiler.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <vector>

#include "check.hpp"
#include "operators/operator_table.hpp"
#include "operators_reference.hpp"

namespace check {

// Numbers of integer arithmetic alone: distributions of the standard library differ among
// libraries.
class Draws {
  public:
    explicit Draws(std::uint64_t seed) : state_(seed * 2 + 1) {}

    std::int64_t below(std::int64_t n) {
        state_ = state_ * 6364136223846793005U + 1442695040888963407U;
        return static_cast<std::int64_t>(state_ >> 33U) % n;
    }

    // Sixteenths of a uniform sum: a bell in -4 .. 4.
    float number() {
        std::int64_t sum = 0;
        for (int i = 0; i < 4; ++i) {
            sum += below(1 << 20) - (1 << 19);
        }
        return static_cast<float>(sum) / static_cast<float>(1 << 19);
    }

    Floats numbers(std::int64_t n, float scale = 1) {
        Floats all;
        for (std::int64_t i = 0; i < n; ++i) {
            all.push_back(scale * number());
        }
        return all;
    }

  private:
    std::uint64_t state_;
};

// Rows of which each eighth is hard: ties of rounding, NaN, infinity, subnormal, huge, tiny,
// constant or zero.
inline Floats hard_rows(Draws &draws, std::int64_t rows, std::int64_t width) {
    Floats x = draws.numbers(rows * width);
    for (std::int64_t row = 0; row < rows; ++row) {
        float *own = x.data() + row * width;
        const std::int64_t at = draws.below(width);
        for (std::int64_t i = 0; i < width; ++i) {
            switch (row % 16) {
            case 1: // 127 steps of which each is a tie
                own[i] = i == 0 ? 127.0F : static_cast<float>(draws.below(254) - 127) + 0.5F;
                break;
            case 3:
                own[i] = i == at ? std::numeric_limits<float>::quiet_NaN() : own[i];
                break;
            case 5:
                own[i] = i == at ? std::numeric_limits<float>::infinity() : own[i];
                break;
            case 7:
                own[i] *= 1e-40F;
                break;
            case 9:
                own[i] *= 8e37F;
                break;
            case 11:
                own[i] *= 1e-34F;
                break;
            case 13:
                own[i] = 0.1F;
                break;
            case 15:
                own[i] = i % 2 == 0 ? 0.0F : -0.0F;
                break;
            default:
                break;
            }
        }
    }
    return x;
}

struct DrawnLinear {
    std::int64_t in, out;
    Aligned<std::int8_t> codes;
    Floats scales, bias;
    std::vector<std::int32_t> sums;

    DrawnLinear(Draws &draws, std::int64_t in_, std::int64_t out_)
        : in(in_), out(out_), codes((out + 15) / 16 * ((in + 63) / 64) * 1024), sums(size(out)) {
        for (std::int64_t n = 0; n < out; ++n) {
            // Powers of two times a few digits, so that the sums are of the size of the inputs.
            scales.push_back((1.0F + static_cast<float>(draws.below(256)) / 256.0F) / 65536.0F);
            bias.push_back(draws.number());
            for (std::int64_t k = 0; k < in; ++k) {
                std::int64_t code = 127;
                if (draws.below(32) != 0) { // else a bell, as of a trained layer
                    code = 0;
                    for (int i = 0; i < 4; ++i) {
                        code += draws.below(255) - 127;
                    }
                    code /= 4;
                }
                codes[((n / 16 * ((in + 63) / 64) + k / 64) * 16 + k % 64 / 4) * 64 + n % 16 * 4 +
                      k % 4] = static_cast<std::int8_t>(code);
            }
        }
        sums_of(codes.data(), in, out, sums.data());
    }

    Linear linear() const {
        return {codes.data(), scales.data(), bias.data(), sums.data(), in, out};
    }
};

// FNV-1a of 64 bits; all NaN are one.
class Digest {
  public:
    void add(const Floats &all) {
        for (const float one : all) {
            std::uint32_t bits = 0x7fc00000;
            if (!std::isnan(one)) {
                std::memcpy(&bits, &one, sizeof bits);
            }
            for (int byte = 0; byte < 4; ++byte) {
                state_ = (state_ ^ (bits >> (8 * byte) & 0xffU)) * 1099511628211U;
            }
        }
    }

    std::uint64_t value() const { return state_; }

  private:
    std::uint64_t state_ = 14695981039346656037U;
};

inline void add_linears(Digest &digest, const OperatorTable &table, const Pool &pool) {
    Draws draws(1);
    for (const std::int64_t in : {8, 60, 64, 200, 1100}) {
        for (const std::int64_t out : {2, 16, 33, 72}) {
            const std::int64_t rows = 16 + draws.below(32) + (out == 33 ? 96 : 0);
            const DrawnLinear linear(draws, in, out), back(draws, out, in);
            const Floats scale = draws.numbers(in), bias = draws.numbers(in);
            const Norm norm{scale.data(), bias.data(), 1e-5F};
            const Floats x = hard_rows(draws, rows, in), residual = draws.numbers(rows * out);
            std::vector<std::uint8_t> bytes;
            for (std::int64_t i = 0; i < rows * in; ++i) {
                bytes.push_back(static_cast<std::uint8_t>(draws.below(256)));
            }
            Floats wide(size(rows * out)), same(x.size());
            table.product(x.data(), rows, nullptr, linear.linear(), residual.data(), wide.data(),
                          pool);
            digest.add(wide);
            table.product(x.data(), rows, &norm, linear.linear(), nullptr, wide.data(), pool);
            digest.add(wide);
            table.bytes_product(bytes.data(), rows, linear.linear(), wide.data(), pool);
            digest.add(wide);
            for (const Activation activation :
                 {Activation::quick_gelu, Activation::gelu, Activation::gelu_tanh}) {
                for (const Norm *own : {&norm, static_cast<const Norm *>(nullptr)}) {
                    table.mlp(x.data(), rows, own, linear.linear(), activation, back.linear(),
                              same.data(), pool);
                    digest.add(same);
                }
            }
        }
    }
}

inline void add_attentions(Digest &digest, const OperatorTable &table, const Pool &pool) {
    Draws draws(2);
    for (const std::int64_t tokens : {1, 7, 16, 50, 77}) {
        for (const std::int64_t head_width : {8, 18, 64, 100}) {
            const std::int64_t heads = 2, batch = 2, width = heads * head_width;
            const Floats qkv = tokens == 16 ? hard_rows(draws, batch * tokens, 3 * width)
                                            : draws.numbers(batch * tokens * 3 * width);
            const std::vector<std::int64_t> counts{draws.below(tokens + 1), tokens};
            for (const bool causal : {false, true}) {
                const Attention all{qkv.data(),
                                    qkv.data() + width,
                                    qkv.data() + 2 * width,
                                    3 * width,
                                    3 * width,
                                    3 * width,
                                    batch,
                                    heads,
                                    head_width,
                                    tokens,
                                    tokens,
                                    causal,
                                    causal ? nullptr : counts.data()};
                Floats out(size(batch * tokens * width));
                table.attention(all, out.data(), pool);
                digest.add(out);
            }
        }
        const DrawnLinear qkv(draws, 64, 192), out_proj(draws, 64, 64);
        const Floats scale = draws.numbers(64), bias = draws.numbers(64);
        const Norm norm{scale.data(), bias.data(), 1e-5F};
        const Floats x = draws.numbers(2 * tokens * 64);
        Floats out(x.size());
        table.self_attention(x.data(), {2, tokens, 4, tokens == 77, nullptr}, &norm, qkv.linear(),
                             out_proj.linear(), out.data(), pool);
        digest.add(out);
    }
}

inline std::uint64_t bits_of(const OperatorTable &table, const Pool &pool) {
    Digest digest;
    add_linears(digest, table, pool);
    add_attentions(digest, table, pool);
    return digest.value();
}

} // namespace check
