// resample_check.cpp - both passes of the resampling, by every instruction set that runs here,
// against the formula of resample/pass.hpp.

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <vector>

#include "check.hpp"
#include "resample/taps.hpp"
#include "search/dispatch.hpp"

namespace {

using namespace twinlens;

constexpr std::uint8_t untouched = 0xa5;

// Rounded half up, of weights with 22 bits behind the point.
std::uint8_t byte_of(std::int64_t weighed) {
    constexpr std::int64_t half = 1 << 21;
    return static_cast<std::uint8_t>(std::clamp<std::int64_t>((weighed + half) >> 22, 0, 255));
}

struct Picture {
    std::vector<std::uint8_t> bytes;
    std::int64_t stride;
};

// Rows of so many bytes, each followed by some that belong to nobody.
Picture noise(std::int64_t rows, std::int64_t row_bytes, bool harsh) {
    const std::int64_t stride = row_bytes + check::whole(0, 9);
    Picture picture{std::vector<std::uint8_t>(static_cast<std::size_t>(rows * stride)), stride};
    for (std::uint8_t &byte : picture.bytes) {
        const std::int64_t level = check::whole(0, 255);
        byte = static_cast<std::uint8_t>(harsh ? (level < 128 ? 0 : 255) : level);
    }
    return picture;
}

std::vector<std::uint8_t> work_for(const Taps &taps) {
    return std::vector<std::uint8_t>(static_cast<std::size_t>(
        taps.length * ((taps.count + 15) / 16 * 16) * work_bytes_a_weight));
}

void check_across(const KernelTable &kernels, const Taps &taps, const Picture &from,
                  std::int64_t rows) {
    const std::int64_t stride = 3 * taps.length + check::whole(0, 9);
    std::vector<std::uint8_t> got(static_cast<std::size_t>(rows * stride), untouched), wanted(got);
    for (std::int64_t row = 0; row < rows; ++row) {
        for (std::int64_t at = 0; at < 3 * taps.length; ++at) {
            const std::int64_t x = at / 3;
            std::int64_t sum = 0;
            for (std::int64_t tap = 0; tap < taps.count; ++tap) {
                sum += from.bytes[static_cast<std::size_t>(row * from.stride +
                                                           4 * (taps.starts[x] + tap) + at % 3)] *
                       static_cast<std::int64_t>(taps.weights[x * taps.count + tap]);
            }
            wanted[static_cast<std::size_t>(row * stride + at)] = byte_of(sum);
        }
    }
    std::vector<std::uint8_t> work = work_for(taps);
    kernels.across({from.bytes.data(), from.stride}, rows, taps, work.data(), {got.data(), stride});
    check::expect(check::same_bits(got, wanted), "%s across: %lld pixels to %lld, %lld rows",
                  kernels.name, static_cast<long long>(taps.size),
                  static_cast<long long>(taps.length), static_cast<long long>(rows));
}

void check_down(const KernelTable &kernels, const Taps &taps, const Picture &from,
                std::int64_t width) {
    const std::int64_t stride = width + check::whole(0, 9);
    std::vector<std::uint8_t> got(static_cast<std::size_t>(taps.length * stride), untouched),
        wanted(got);
    for (std::int64_t y = 0; y < taps.length; ++y) {
        for (std::int64_t at = 0; at < width; ++at) {
            std::int64_t sum = 0;
            for (std::int64_t tap = 0; tap < taps.count; ++tap) {
                sum += from.bytes[static_cast<std::size_t>((taps.starts[y] + tap) * from.stride +
                                                           at)] *
                       static_cast<std::int64_t>(taps.weights[y * taps.count + tap]);
            }
            wanted[static_cast<std::size_t>(y * stride + at)] = byte_of(sum);
        }
    }
    std::vector<std::uint8_t> work = work_for(taps);
    kernels.down({from.bytes.data(), from.stride}, width, taps, work.data(), {got.data(), stride});
    check::expect(check::same_bits(got, wanted), "%s down: %lld rows to %lld, of %lld bytes",
                  kernels.name, static_cast<long long>(taps.size),
                  static_cast<long long>(taps.length), static_cast<long long>(width));
}

void check_some(std::int64_t size, std::int64_t length, const char *filter, bool harsh) {
    const float start = static_cast<float>(check::whole(0, size - 1)) / 2;
    const OwnedTaps owned(size, start, static_cast<float>(size), length, *resample_filter(filter));
    const Taps taps = owned.taps();
    const std::int64_t rows = check::whole(1, 9), width = check::whole(1, 150);
    const Picture lying = noise(rows, 4 * size, harsh), standing = noise(size, width, harsh);
    for (const KernelTable *kernels : kernel_tables()) {
        // As the bindings choose: other tables take taps in groups.
        if (taps.count % taps_together == 0 || kernels == &scalar_kernels) {
            check_across(*kernels, taps, lying, rows);
            check_down(*kernels, taps, standing, width);
        }
    }
}

// No compiler fuses a product and a sum here, so the weights, and with them the pixels that a model
// sees, are those of every other processor: FNV-1a of all weights of 300 axes, before rounding.
void check_weights() {
    std::uint64_t hash = 0xcbf29ce484222325;
    for (std::int64_t round = 0; round < 300; ++round) {
        const std::int64_t size = 1 + round * 7919 % 977, length = 1 + round * 104729 % 331;
        const FilteredAxis axis(*resample_filter(round % 2 == 0 ? "bicubic" : "bilinear"), size,
                                static_cast<float>(size % 7) / 9.0F, static_cast<float>(size),
                                length);
        std::vector<double> weights(static_cast<std::size_t>(size));
        for (std::int64_t at = 0; at < length; ++at) {
            axis.weigh(at, weights.data());
            for (std::int64_t i = 0; i < axis.last(at) - axis.first(at); ++i) {
                std::uint64_t bits;
                std::memcpy(&bits, &weights[static_cast<std::size_t>(i)], sizeof bits);
                hash = (hash ^ bits) * 0x100000001b3;
            }
        }
    }
    check::expect(hash == 0x9498141297135588, "weights: %016llx",
                  static_cast<unsigned long long>(hash));
}

} // namespace

int main() {
    check::report_sets(search_sets());
    check_weights();
    for (int round = 0; round < 150; ++round) {
        check_some(check::whole(1, 90), check::whole(1, 60),
                   check::one_of({"bilinear", "bicubic", "lanczos"}), round % 2 == 0);
    }
    check_some(3000, 3, "lanczos", true);
    check_some(3, 1000, "lanczos", true);
    return check::finish();
}
