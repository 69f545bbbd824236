// taps.hpp - the taps of an axis, with Pillow's weights.
//
// As Pillow's src/libImaging/Resample.c computes them: the ends are float32, and so is the length
// between them; all else is double; a filter is stretched by the scale if that is above 1; weights
// are divided by their sum and rounded half away from zero.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <stdexcept>
#include <string_view>
#include <vector>

#include "resample/pass.hpp"

namespace twinlens {

struct ResampleFilter {
    std::string_view name;
    double support; // radius in pixels
    double (*weight)(double distance);
};

inline double bilinear_weight(double distance) { return std::max(0.0, 1.0 - std::abs(distance)); }

// Keys' convolution with a = -0.5.
inline double bicubic_weight(double distance) {
    constexpr double a = -0.5;
    const double x = std::abs(distance);
    if (x < 1.0) {
        return ((a + 2.0) * x - (a + 3.0)) * x * x + 1;
    }
    return x < 2.0 ? (((x - 5) * x + 8) * x - 4) * a : 0.0;
}

inline double sinc(double x) {
    constexpr double pi = 3.14159265358979323846;
    return x == 0.0 ? 1.0 : std::sin(x * pi) / (x * pi);
}

inline double lanczos_weight(double distance) {
    return -3.0 <= distance && distance < 3.0 ? sinc(distance) * sinc(distance / 3) : 0.0;
}

// The filter of that name, or null.
inline const ResampleFilter *resample_filter(std::string_view name) {
    static constexpr ResampleFilter filters[] = {{"bilinear", 1.0, bilinear_weight},
                                                 {"bicubic", 2.0, bicubic_weight},
                                                 {"lanczos", 3.0, lanczos_weight}};
    for (const ResampleFilter &filter : filters) {
        if (filter.name == name) {
            return &filter;
        }
    }
    return nullptr;
}

// The input pixels first(at) .. last(at) of output pixel `at`, and the weights of a filter there.
struct FilteredAxis {
    const ResampleFilter &filter;
    std::int64_t size;
    float start;
    double scale, stretch, reach;

    FilteredAxis(const ResampleFilter &filter_, std::int64_t size_, float start_, float stop,
                 std::int64_t length)
        : filter(filter_), size(size_), start(start_),
          scale(static_cast<double>(stop - start) / static_cast<double>(length)),
          stretch(std::max(1.0, scale)), reach(filter.support * stretch) {}

    double centre(std::int64_t at) const { return start + (static_cast<double>(at) + 0.5) * scale; }

    std::int64_t first(std::int64_t at) const {
        return std::max<std::int64_t>(0, static_cast<std::int64_t>(centre(at) - reach + 0.5));
    }

    std::int64_t last(std::int64_t at) const {
        return std::min(size, static_cast<std::int64_t>(centre(at) + reach + 0.5));
    }

    // Writes the weights of output pixel `at`, not normalised; returns their sum.
    double weigh(std::int64_t at, double *weights) const {
        double sum = 0.0;
        for (std::int64_t place = first(at); place < last(at); ++place) {
            const double distance = static_cast<double>(place) - centre(at) + 0.5;
            const double weight = filter.weight(distance * (1.0 / stretch));
            weights[place - first(at)] = weight;
            sum += weight;
        }
        return sum;
    }
};

class OwnedTaps {
  public:
    // Resamples `start` to `stop`, within 0..size, to `length` pixels.
    OwnedTaps(std::int64_t size, float start, float stop, std::int64_t length,
              const ResampleFilter &filter)
        : size_(size), length_(length), starts_(static_cast<std::size_t>(length)) {
        const FilteredAxis axis(filter, size, start, stop, length);
        std::int64_t most = 1;
        for (std::int64_t at = 0; at < length; ++at) {
            most = std::max(most, axis.last(at) - axis.first(at));
        }
        count_ = (most + taps_together - 1) / taps_together * taps_together;
        if (count_ > size) {
            count_ = most;
        }
        weights_.resize(static_cast<std::size_t>(length * count_));
        std::vector<double> weights(static_cast<std::size_t>(most));
        for (std::int64_t at = 0; at < length; ++at) {
            // Moved left where taps of weight 0 would lie beyond the last pixel.
            const std::int64_t begin = std::min(axis.first(at), size - count_);
            starts_[static_cast<std::size_t>(at)] = static_cast<std::int32_t>(begin);
            const double sum = axis.weigh(at, weights.data());
            round(weights.data(), axis.last(at) - axis.first(at), sum,
                  weights_.data() + at * count_ + (axis.first(at) - begin));
        }
    }

    Taps taps() const { return {size_, length_, count_, starts_.data(), weights_.data()}; }

  private:
    // Writes n weights, divided by their sum, as integers.
    static void round(const double *weights, std::int64_t n, double sum, std::int32_t *rounded) {
        std::int64_t magnitude = 0;
        for (std::int64_t tap = 0; tap < n; ++tap) {
            const double scaled = weights[tap] / sum * (1 << weight_bits);
            rounded[tap] = static_cast<std::int32_t>(scaled + (scaled < 0 ? -0.5 : 0.5));
            magnitude += std::abs(rounded[tap]);
        }
        if (magnitude > weight_limit) {
            throw std::range_error("taps: the weights could overflow a sum");
        }
    }

    std::int64_t size_;
    std::int64_t length_;
    std::int64_t count_ = 0;
    std::vector<std::int32_t> starts_;
    std::vector<std::int32_t> weights_;
};

} // namespace twinlens
