// query_codes.hpp - quantized queries, packed for a kernel table, with bounds on their errors.
//
// A query q is scaled by a power of two, q' = q / unit, to a largest component in [2^-17, 2^-16):
// then no product with a row whose terms are finite leaves float32. q' = step * v + a rest, v of
// integers: in one plane |v| <= levels, in two v = base * high + low. With a row's terms
// (codes.py) the score of a pair lies within
//
//     unit * (centre_score + scale * step * <v, c> -+ (reach * |scale c| + length * left + slack))
//
// where reach, length and slack also pay for every rounding, those of the float32 comparison and
// those of the float64 score included. EXACTNESS.md derives them.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <vector>

#include "search/candidates/extremes.hpp"
#include "search/kernel_table.hpp"

namespace twinlens {

struct Bytes64 {
    alignas(64) std::int8_t bytes[64];
};

// Terms of one query's scores that its lanes do not hold.
struct QueryUnits {
    double unit;
    double centre_score;
    double slack;
    double length; // |q'|

    // The largest float that is surely below a score in whose units `unit` is 1 and the centre's
    // share is gone: comparing with it loses no row, whatever was rounded on either side.
    float floor_below(double score) const {
        const double wanted = score - slack;
        if (!(wanted > -std::numeric_limits<float>::max())) {
            return -std::numeric_limits<float>::infinity();
        }
        if (wanted > std::numeric_limits<float>::max()) {
            return std::numeric_limits<float>::max();
        }
        const float nearest = static_cast<float>(wanted);
        return static_cast<double>(nearest) <= wanted
                   ? nearest
                   : std::nextafter(nearest, -std::numeric_limits<float>::infinity());
    }
    float floor_of_exact(double score) const { return floor_below(score / unit - centre_score); }
};

class QueryCodes {
  public:
    // queries [n, width] and centre [width] are finite. hits: k of a top-k search of n_rows rows, 0
    // of a range search.
    QueryCodes(const float *queries, std::int64_t n, const float *centre, std::int64_t width,
               const KernelTable &kernels, std::int64_t hits, std::int64_t n_rows)
        : n_(n), padded_((width + 63) / 64 * 64), few_(n <= kernels.few_queries),
          two_planes_(few_ || n <= kernels.two_plane_queries ||
                      n_rows < (n <= lanes ? rows_a_hit_of_group : rows_a_hit) * hits ||
                      (kernels.two_plane_queries > 0 && hits >= two_plane_hits)),
          base_(two_planes_ ? kernels.levels + 1 : 0),
          groups_(static_cast<std::size_t>((n + lanes - 1) / lanes)), units_(n) {
        const std::int64_t all_planes =
            few_ ? 2 * n : (n_groups() * (two_planes_ ? 2 : 1) + 1) / 2 * 2;
        numbers_.resize(static_cast<std::size_t>(all_planes * padded_ / 64 * (few_ ? 1 : lanes)));
        std::vector<double> scaled(static_cast<std::size_t>(padded_));
        std::vector<std::int8_t> planes(2 * scaled.size());
        const double centre_squared = sum_of(width, [centre](std::int64_t i) {
            return static_cast<double>(centre[i]) * static_cast<double>(centre[i]);
        });
        for (std::int64_t query = 0; query < n; ++query) {
            const float *row = queries + query * width;
            QueryUnits &units = units_[static_cast<std::size_t>(query)];
            units = measure(row, centre, width, std::sqrt(centre_squared), scaled.data());
            quantize(query, scaled, planes.data(), kernels, units.length);
        }
    }

    std::int64_t size() const { return n_; }
    std::int64_t n_groups() const { return static_cast<std::int64_t>(groups_.size()); }
    bool few() const { return few_; }
    bool two_planes() const { return two_planes_; }
    float base() const { return static_cast<float>(base_); }
    const std::vector<Lanes> &groups() const { return groups_; }
    const QueryUnits &units(std::int64_t query) const {
        return units_[static_cast<std::size_t>(query)];
    }
    const std::int8_t *numbers() const { return numbers_.front().bytes; }
    // The two planes of one call of KernelTable::dots.
    const std::int8_t *plane_pair(std::int64_t pair) const {
        return numbers() + pair * 2 * padded_ * lanes;
    }

  private:
    // From so many hits on, a second plane saves more rescoring than it costs, where dots are
    // cheap:
    // 100 k rows, 256 queries, AMX: 88 to 61 ms for 100 hits, but 25 to 26 ms for 10.
    static constexpr std::int64_t two_plane_hits = 32;
    // Where one row of so many is a hit, a second plane rules out more candidates than it costs: of
    // 10,000 rows, 1,000 hits of 256 queries take 38 in place of 41 ms, and those of 16 queries of
    // 100,000 rows 11.6 in place of 13.6. A single group of queries fills half of two planes.
    static constexpr std::int64_t rows_a_hit = 32, rows_a_hit_of_group = 128;
    static constexpr double rounding = 0x1p-19;

    // Eight sums, which the compiler keeps in vectors without reordering any of them: half of the
    // time of one after the other.
    template <typename Term> static double sum_of(std::int64_t n, const Term &term) {
        constexpr std::int64_t chains = 8;
        double sums[chains] = {};
        std::int64_t at = 0;
        for (; at + chains <= n; at += chains) {
            for (std::int64_t i = 0; i < chains; ++i) {
                sums[i] += term(at + i);
            }
        }
        double sum = 0;
        for (; at < n; ++at) {
            sum += term(at);
        }
        for (const double of_chain : sums) {
            sum += of_chain;
        }
        return sum;
    }

    static QueryUnits measure(const float *row, const float *centre, std::int64_t width,
                              double centre_length, double *scaled) {
        const float largest =
            extremes(width, [row](std::int64_t i) { return std::fabs(row[i]); }).high;
        int exponent = 0;
        std::frexp(static_cast<double>(largest), &exponent);
        exponent += 16;
        const double shrink = std::ldexp(1.0, -exponent); // normal: the products are exact
        for (std::int64_t i = 0; i < width; ++i) {
            scaled[i] = static_cast<double>(row[i]) * shrink;
        }
        const double squares =
            sum_of(width, [scaled](std::int64_t i) { return scaled[i] * scaled[i]; });
        const double product = sum_of(width, [scaled, centre](std::int64_t i) {
            return scaled[i] * static_cast<double>(centre[i]);
        });
        const double length = std::sqrt(squares) * (1 + 0x1p-30);
        const double share = static_cast<double>(width + 64) * 0x1p-50;
        return {std::ldexp(1.0, exponent), product, share * length * centre_length + 0x1p-120,
                length};
    }

    // `scaled` [padded] ends with zeros; `planes` has room for two.
    void quantize(std::int64_t query, const std::vector<double> &scaled, std::int8_t *planes,
                  const KernelTable &kernels, double query_length) {
        const auto most =
            static_cast<std::int32_t>(two_planes_ ? kernels.levels * base_ : kernels.levels);
        const double largest = extremes(padded_, [&](std::int64_t i) {
                                   return std::fabs(scaled[static_cast<std::size_t>(i)]);
                               }).high;
        const float step = largest > 0 ? static_cast<float>(largest / most) : 1;
        // Adding and subtracting it rounds numbers below 2^51 to integers, without a call.
        constexpr double rounder = 0x1.8p52;
        const double inverse = 1 / static_cast<double>(step);
        const auto whole = [&](std::int64_t i) {
            const double nearest =
                (scaled[static_cast<std::size_t>(i)] * inverse + rounder) - rounder;
            return nearest > most ? most : nearest < -most ? -most : nearest;
        };
        const double rest = sum_of(padded_, [&](std::int64_t i) {
            const double missed =
                scaled[static_cast<std::size_t>(i)] - static_cast<double>(step) * whole(i);
            return missed * missed;
        });
        std::int8_t *high = planes, *low = planes + padded_;
        if (two_planes_) {
            split(whole, kernels.levels, high, low);
            put(query, 1, low);
        } else {
            for (std::int64_t i = 0; i < padded_; ++i) {
                high[i] = static_cast<std::int8_t>(static_cast<std::int32_t>(whole(i)));
            }
        }
        put(query, 0, high);
        const Sums of_high = sums(high);
        const Sums of_low = two_planes_ ? sums(low) : Sums{0, 0};
        Lanes &group = groups_[static_cast<std::size_t>(query / lanes)];
        const std::int64_t lane = query % lanes;
        const double held =
            static_cast<double>(step) *
            (std::sqrt(of_low.squares) + std::sqrt(of_high.squares) * (two_planes_ ? base_ : 1));
        const double reach = std::sqrt(rest) * (1 + rounding) + rounding * (held + query_length);
        if (!kernels.centred) {
            group.offset[0][lane] = 128 * of_high.sum;
            group.offset[1][lane] = 128 * of_low.sum;
        }
        group.step[lane] = step;
        group.reach[lane] = round_up(reach);
        group.length[lane] = round_up(query_length * (1 + rounding));
    }

    // whole = base * high + low.
    template <typename Whole>
    void split(const Whole &whole, std::int64_t levels, std::int8_t *high, std::int8_t *low) const {
        const auto base = static_cast<std::int32_t>(base_);
        const auto most = static_cast<std::int32_t>(levels) * base;
        int base_bits = 0;
        while ((1 << base_bits) < base) {
            ++base_bits;
        }
        for (std::int64_t i = 0; i < padded_; ++i) {
            // base is a power of two, and all of this is at least 0: no division.
            const std::int32_t shifted = static_cast<std::int32_t>(whole(i)) + most + base / 2;
            low[i] = static_cast<std::int8_t>((shifted & (base - 1)) - base / 2);
            high[i] = static_cast<std::int8_t>((shifted >> base_bits) -
                                               static_cast<std::int32_t>(levels));
        }
    }

    struct Sums {
        std::int32_t sum;
        double squares;
    };

    // Of a plane: 127^2 * max_coded_width < 2^31.
    Sums sums(const std::int8_t *plane) const {
        std::int32_t sum = 0, squares = 0;
        for (std::int64_t i = 0; i < padded_; ++i) {
            const std::int32_t number = plane[i];
            sum += number;
            squares += number * number;
        }
        return {sum, static_cast<double>(squares)};
    }

    // Writes a plane at its place in the layout of KernelTable::dots, or dots_few.
    void put(std::int64_t query, std::int64_t plane, const std::int8_t *numbers) {
        constexpr std::int64_t side_by_side = 4;
        std::int8_t *const first = numbers_.front().bytes;
        if (few_) {
            std::memcpy(first + (2 * query + plane) * padded_, numbers,
                        static_cast<std::size_t>(padded_));
            return;
        }
        const std::int64_t planes = two_planes_ ? 2 : 1;
        std::int8_t *const of_lane = first + (query / lanes * planes + plane) * padded_ * lanes +
                                     query % lanes * side_by_side;
        for (std::int64_t at = 0; at < padded_; at += side_by_side) {
            std::memcpy(of_lane + at * lanes, numbers + at, side_by_side);
        }
    }

    static float round_up(double number) {
        return std::nextafter(static_cast<float>(number), std::numeric_limits<float>::infinity());
    }

    std::int64_t n_, padded_;
    bool few_, two_planes_;
    std::int64_t base_;
    std::vector<Lanes> groups_;
    std::vector<QueryUnits> units_;
    std::vector<Bytes64> numbers_;
};

} // namespace twinlens
