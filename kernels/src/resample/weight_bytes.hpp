// weight_bytes.hpp - a weight of resample/pass.hpp as three signed bytes, for products of bytes.
//
// In an unnamed namespace, see support/arithmetic.hpp.
#pragma once

#include <cstdint>

namespace twinlens {
namespace {

constexpr int planes = 3;

// weight = parts[0] + parts[1] * 2^8 + parts[2] * 2^16.
struct Bytes {
    explicit Bytes(std::int32_t weight) {
        for (std::int8_t &part : parts) {
            part = static_cast<std::int8_t>(weight);
            weight = (weight - part) / 256;
        }
    }
    std::int8_t parts[planes];
};

} // namespace
} // namespace twinlens
