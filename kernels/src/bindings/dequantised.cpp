// dequantised.cpp - Python bindings of the search of codes without rows: shapes are checked once,
// and the GIL is released.

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>

#include <cstdint>
#include <string>
#include <utility>

#include "bindings/arguments.hpp"
#include "bindings/bindings.hpp"
#include "bindings/range_arrays.hpp"
#include "search/dequantised/dequantised_range.hpp"
#include "search/dequantised/dequantised_topk.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace twinlens::bindings {
namespace {

// Codes without rows in Python's arrays, with their centre.
class CodesAlone {
  public:
    CodesAlone(Array<const std::uint8_t, 2> codes, Array<const std::uint8_t, 2> residual,
               Array<const float, 2> terms, Array<const float, 1> centre,
               Array<const bool, 1> allowed)
        : codes_(std::move(codes)), residual_(std::move(residual)), terms_(std::move(terms)),
          centre_(std::move(centre)), allowed_(std::move(allowed)) {
        const std::size_t n = codes_.shape(0), padded = codes_.shape(1), width = centre_.shape(0);
        require(width >= 1 && width <= max_coded_width, "centre: width");
        require(padded % 64 == 0 && padded >= width && padded < width + 64, "codes: not [N, P]");
        require(!residual_.is_valid() || (residual_.shape(0) == n && residual_.shape(1) == padded),
                "residual: not [N, P]");
        require(terms_.shape(0) == n && terms_.shape(1) == (residual_.is_valid() ? 5U : 3U),
                "terms: shape");
        require(!allowed_.is_valid() || allowed_.shape(0) == n, "allowed: not [N]");
    }

    CodedCorpus corpus() const {
        return {nullptr,
                codes_.data(),
                data_or_null(residual_),
                terms_.data(),
                data_or_null(allowed_),
                length(codes_, 0),
                length(centre_, 0),
                length(codes_, 1),
                length(terms_, 1)};
    }
    const float *centre() const { return centre_.data(); }

  private:
    Array<const std::uint8_t, 2> codes_;
    Array<const std::uint8_t, 2> residual_;
    Array<const float, 2> terms_;
    Array<const float, 1> centre_;
    Array<const bool, 1> allowed_;
};

void topk_alone(const CodesAlone &alone, const Array<const float, 2> &queries,
                const Array<std::int64_t, 2> &ids, const Array<double, 2> &scores,
                std::int64_t threads, const std::string &path) {
    const CodedCorpus corpus = alone.corpus();
    require(length(queries, 1) == corpus.width && queries.shape(0) >= 1, "queries: not [Q, D]");
    require(ids.shape(0) == queries.shape(0) && ids.shape(1) >= 1, "ids: not [Q, K]");
    require(scores.shape(0) == ids.shape(0) && scores.shape(1) == ids.shape(1),
            "scores: not [Q, K]");
    const KernelTable &kernels = kernels_for(path);
    nb::gil_scoped_release release;
    dequantised_topk(corpus, queries.data(), length(queries, 0), alone.centre(),
                     {ids.data(), scores.data(), length(ids, 1)}, kernels, threads);
}

nb::tuple within_alone(const CodesAlone &alone, const Array<const float, 2> &queries,
                       const Array<const double, 1> &floors, std::int64_t threads,
                       const std::string &path) {
    const CodedCorpus corpus = alone.corpus();
    return range_arrays(corpus, queries, floors, path, [&](const KernelTable &kernels) {
        return dequantised_range(corpus, queries.data(), length(queries, 0), alone.centre(),
                                 floors.data(), kernels, threads);
    });
}

} // namespace

void bind_dequantised(nb::module_ &module) {
    nb::class_<CodesAlone>(module, "CodesAlone")
        .def(nb::init<Array<const std::uint8_t, 2>, Array<const std::uint8_t, 2>,
                      Array<const float, 2>, Array<const float, 1>, Array<const bool, 1>>(),
             nb::kw_only(), "codes"_a.noconvert(), "residual"_a.noconvert().none(),
             "terms"_a.noconvert(), "centre"_a.noconvert(), "allowed"_a.noconvert().none());
    module.def("topk_alone", &topk_alone, nb::kw_only(), "alone"_a, "queries"_a.noconvert(),
               "ids"_a.noconvert(), "scores"_a.noconvert(), "threads"_a, "path"_a = "");
    module.def("within_alone", &within_alone, nb::kw_only(), "alone"_a, "queries"_a.noconvert(),
               "floors"_a.noconvert(), "threads"_a, "path"_a = "");
}

} // namespace twinlens::bindings
