// bind.cpp - what Python sees: shapes are checked here once, and the GIL is let go.

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <cstdint>

#include "sift_tile.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace {

template <typename Scalar, int Dimensions>
using Array = nb::ndarray<Scalar, nb::ndim<Dimensions>, nb::c_contig, nb::device::cpu>;

void require(bool fits, const char *what) {
    if (!fits) {
        throw nb::value_error(what);
    }
}

void sift(const Array<const float, 2> &scores, const Array<const float, 2> &queries,
          const Array<const float, 2> &rows, const Array<const float, 1> &reach,
          const Array<const float, 1> &lengths, const Array<const double, 1> &units,
          std::int64_t first_row, const Array<double, 2> &best_scores,
          const Array<std::int64_t, 2> &best_ids, std::int64_t threads) {
    const std::size_t n_queries = queries.shape(0), n_rows = rows.shape(0), k = best_ids.shape(1);
    require(queries.shape(1) == rows.shape(1) && rows.shape(1) >= 1, "queries and rows: width");
    require(scores.shape(0) == n_queries && scores.shape(1) == n_rows, "scores: not [Q, N]");
    require(reach.shape(0) == n_queries && units.shape(0) == n_queries, "reach, units: not [Q]");
    require(lengths.shape(0) == n_rows, "lengths: not [N]");
    require(best_ids.shape(0) == n_queries && k >= 1, "best_ids: not [Q, K]");
    require(best_scores.shape(0) == n_queries && best_scores.shape(1) == k,
            "best_scores: not [Q, K]");

    const twinlens::QueryBlock block{queries.data(), scores.data(), reach.data(), units.data(),
                                     static_cast<std::int64_t>(n_queries)};
    const twinlens::Tile tile{rows.data(), lengths.data(), static_cast<std::int64_t>(n_rows),
                              static_cast<std::int64_t>(rows.shape(1)), first_row};
    nb::gil_scoped_release release;
    twinlens::sift_tile(block, tile, best_scores.data(), best_ids.data(),
                        static_cast<std::int64_t>(k), threads);
}

} // namespace

NB_MODULE(_native, module) {
    module.doc() = "Compiled kernels of twinlens.";
    module.def("sift", &sift, nb::kw_only(), "scores"_a.noconvert(), "queries"_a.noconvert(),
               "rows"_a.noconvert(), "reach"_a.noconvert(), "lengths"_a.noconvert(),
               "units"_a.noconvert(), "first_row"_a, "best_scores"_a.noconvert(),
               "best_ids"_a.noconvert(), "threads"_a);
}
