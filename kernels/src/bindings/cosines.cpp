// cosines.cpp - Python bindings of cosines: shapes are checked once, and the GIL is released.

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <cstdint>

#include "bindings/arguments.hpp"
#include "bindings/bindings.hpp"
#include "search/estimate_rows.hpp"
#include "search/hit_cosines.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace twinlens::bindings {
namespace {

void hit_cosines(const Array<const float, 2> &queries, const Array<const float, 2> &rows,
                 const Array<std::int64_t, 2> &ids, const Array<double, 2> &scores,
                 const Array<std::int8_t, 1> &states, double odd, double margin,
                 std::int64_t threads) {
    require(queries.shape(1) == rows.shape(1) && rows.shape(1) >= 1, "queries and rows: width");
    require(ids.shape(0) == queries.shape(0), "ids: not [Q, K]");
    require(scores.shape(0) == ids.shape(0) && scores.shape(1) == ids.shape(1),
            "scores: not [Q, K]");
    require(states.shape(0) == ids.shape(0), "states: not [Q]");
    const ScoredHits hits{queries.data(), rows.data(),   length(rows, 0), length(rows, 1),
                          ids.data(),     scores.data(), length(ids, 0),  length(ids, 1)};
    nb::gil_scoped_release release;
    twinlens::hit_cosines(hits, states.data(), kernels_for(""), {odd, margin}, threads);
}

template <typename Number>
RowsToEstimate<Number> rows_to_estimate(const Array<const Number, 2> &rows,
                                        const Array<const Number, 2> &queries,
                                        const Array<float, 2> &estimates) {
    require(queries.shape(1) == rows.shape(1) && rows.shape(1) >= 1, "queries and rows: width");
    require(estimates.shape(0) == rows.shape(0) && estimates.shape(1) == queries.shape(0),
            "estimates: not [N, Q]");
    return {rows.data(), queries.data(), length(rows, 0), length(queries, 0), length(rows, 1)};
}

void estimate32(const Array<const float, 2> &rows, const Array<const float, 2> &queries,
                const Array<float, 2> &estimates, std::int64_t threads) {
    const RowsToEstimate<float> to = rows_to_estimate(rows, queries, estimates);
    const KernelTable &kernels = kernels_for("");
    nb::gil_scoped_release release;
    estimate_rows(to, estimates.data(), kernels.estimate_row32, threads);
}

void estimate64(const Array<const double, 2> &rows, const Array<const double, 2> &queries,
                const Array<float, 2> &estimates, std::int64_t threads) {
    const RowsToEstimate<double> to = rows_to_estimate(rows, queries, estimates);
    const KernelTable &kernels = kernels_for("");
    nb::gil_scoped_release release;
    estimate_rows(to, estimates.data(), kernels.estimate_row64, threads);
}

} // namespace

void bind_cosines(nb::module_ &module) {
    module.def("hit_cosines", &hit_cosines, nb::kw_only(), "queries"_a.noconvert(),
               "rows"_a.noconvert(), "ids"_a.noconvert(), "scores"_a.noconvert(),
               "states"_a.noconvert(), "odd"_a, "margin"_a, "threads"_a);
    module.def("estimate32", &estimate32, nb::kw_only(), "rows"_a.noconvert(),
               "queries"_a.noconvert(), "estimates"_a.noconvert(), "threads"_a);
    module.def("estimate64", &estimate64, nb::kw_only(), "rows"_a.noconvert(),
               "queries"_a.noconvert(), "estimates"_a.noconvert(), "threads"_a);
}

} // namespace twinlens::bindings
