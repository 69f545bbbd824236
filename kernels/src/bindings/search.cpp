// search.cpp - Python bindings of the search: shapes are checked once, and the GIL is released.

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "bindings/arguments.hpp"
#include "bindings/bindings.hpp"
#include "bindings/range_arrays.hpp"
#include "search/coded_range.hpp"
#include "search/coded_topk.hpp"
#include "search/dispatch.hpp"
#include "search/encode.hpp"
#include "search/score_pairs.hpp"
#include "search/update_topk_tile.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace twinlens::bindings {
namespace {

void update_topk(const Array<const float, 2> &scores, const Array<const float, 2> &queries,
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

    const QueryBlock block{queries.data(), scores.data(), reach.data(), units.data(),
                           static_cast<std::int64_t>(n_queries)};
    const Tile tile{rows.data(), lengths.data(), static_cast<std::int64_t>(n_rows),
                    static_cast<std::int64_t>(rows.shape(1)), first_row};
    nb::gil_scoped_release release;
    update_topk_tile(block, tile, best_scores.data(), best_ids.data(), static_cast<std::int64_t>(k),
                     threads);
}

std::int64_t encode(const Array<const float, 2> &rows, const Array<const float, 1> &centre,
                    const Array<std::uint8_t, 2> &codes, const Array<std::uint8_t, 2> &residual,
                    const Array<float, 2> &terms, std::int64_t threads, const std::string &path) {
    const std::size_t n = rows.shape(0), padded = codes.shape(1);
    require(rows.shape(1) >= 1 && centre.shape(0) == rows.shape(1), "rows and centre: width");
    require(codes.shape(0) == n && padded % 64 == 0 && padded >= rows.shape(1) &&
                padded < rows.shape(1) + 64,
            "codes: not [N, P]");
    require(!residual.is_valid() || (residual.shape(0) == n && residual.shape(1) == padded),
            "residual: not [N, P]");
    require(terms.shape(0) == n && terms.shape(1) == (residual.is_valid() ? 5U : 3U),
            "terms: shape");
    const CodesToWrite to{codes.data(), data_or_null(residual), terms.data(), length(codes, 1)};
    const KernelTable &kernels = kernels_for(path);
    nb::gil_scoped_release release;
    return twinlens::encode(rows.data(), length(rows, 0), length(rows, 1), centre.data(), to,
                            kernels, threads);
}

// The corpus in Python's arrays, with the centre of its codes.
class Coded {
  public:
    Coded(Array<const float, 2> rows, Array<const std::uint8_t, 2> codes,
          Array<const std::uint8_t, 2> residual, Array<const float, 2> terms,
          Array<const float, 1> centre, Array<const bool, 1> allowed)
        : rows_(std::move(rows)), codes_(std::move(codes)), residual_(std::move(residual)),
          terms_(std::move(terms)), centre_(std::move(centre)), allowed_(std::move(allowed)) {
        const std::size_t n = rows_.shape(0), width = rows_.shape(1), padded = codes_.shape(1);
        require(width >= 1 && width <= max_coded_width, "rows: width");
        require(codes_.shape(0) == n && padded % 64 == 0 && padded >= width && padded < width + 64,
                "codes: not [N, P]");
        require(!residual_.is_valid() || (residual_.shape(0) == n && residual_.shape(1) == padded),
                "residual: not [N, P]");
        require(terms_.shape(0) == n && terms_.shape(1) == (residual_.is_valid() ? 5U : 3U),
                "terms: shape");
        require(centre_.shape(0) == width, "centre: not [D]");
        require(!allowed_.is_valid() || allowed_.shape(0) == n, "allowed: not [N]");
    }

    CodedCorpus corpus() const {
        return {rows_.data(),     codes_.data(),          data_or_null(residual_),
                terms_.data(),    data_or_null(allowed_), length(rows_, 0),
                length(rows_, 1), length(codes_, 1),      length(terms_, 1)};
    }
    const float *centre() const { return centre_.data(); }

  private:
    Array<const float, 2> rows_;
    Array<const std::uint8_t, 2> codes_;
    Array<const std::uint8_t, 2> residual_;
    Array<const float, 2> terms_;
    Array<const float, 1> centre_;
    Array<const bool, 1> allowed_;
};

void topk(const Coded &coded, const Array<const float, 2> &queries,
          const Array<std::int64_t, 2> &ids, const Array<double, 2> &scores, bool mapped,
          std::int64_t threads, const std::string &path) {
    const CodedCorpus corpus = coded.corpus();
    require(length(queries, 1) == corpus.width && queries.shape(0) >= 1, "queries: not [Q, D]");
    require(ids.shape(0) == queries.shape(0) && ids.shape(1) >= 1, "ids: not [Q, K]");
    require(scores.shape(0) == ids.shape(0) && scores.shape(1) == ids.shape(1),
            "scores: not [Q, K]");
    const KernelTable &kernels = kernels_for(path);
    nb::gil_scoped_release release;
    coded_topk(corpus, queries.data(), length(queries, 0), coded.centre(),
               {ids.data(), scores.data(), length(ids, 1)}, mapped, kernels, threads);
}

nb::tuple within(const Coded &coded, const Array<const float, 2> &queries,
                 const Array<const double, 1> &floors, std::int64_t threads,
                 const std::string &path) {
    const CodedCorpus corpus = coded.corpus();
    return range_arrays(corpus, queries, floors, path, [&](const KernelTable &kernels) {
        return coded_range(corpus, queries.data(), length(queries, 0), coded.centre(),
                           floors.data(), kernels, threads);
    });
}

void rescore(const Array<const float, 2> &queries, const Array<const float, 2> &rows,
             const Array<const std::int64_t, 2> &ids, const Array<double, 2> &scores,
             std::int64_t threads) {
    require(queries.shape(1) == rows.shape(1) && rows.shape(1) >= 1, "queries and rows: width");
    require(ids.shape(0) == queries.shape(0), "ids: not [Q, C]");
    require(scores.shape(0) == ids.shape(0) && scores.shape(1) == ids.shape(1),
            "scores: not [Q, C]");
    nb::gil_scoped_release release;
    score_pairs(queries.data(), rows.data(), length(rows, 1), ids.data(), length(ids, 0),
                length(ids, 1), scores.data(), kernels_for(""), threads);
}

std::vector<std::string> paths() {
    std::vector<std::string> names;
    for (const KernelTable *table : kernel_tables()) {
        names.emplace_back(table->name);
    }
    return names;
}

} // namespace

void bind_search(nb::module_ &module) {
    module.def("update_topk", &update_topk, nb::kw_only(), "scores"_a.noconvert(),
               "queries"_a.noconvert(), "rows"_a.noconvert(), "reach"_a.noconvert(),
               "lengths"_a.noconvert(), "units"_a.noconvert(), "first_row"_a,
               "best_scores"_a.noconvert(), "best_ids"_a.noconvert(), "threads"_a);
    module.def("paths", &paths);
    module.def("encode", &encode, nb::kw_only(), "rows"_a.noconvert(), "centre"_a.noconvert(),
               "codes"_a.noconvert(), "residual"_a.noconvert().none(), "terms"_a.noconvert(),
               "threads"_a, "path"_a = "");
    nb::class_<Coded>(module, "Coded")
        .def(nb::init<Array<const float, 2>, Array<const std::uint8_t, 2>,
                      Array<const std::uint8_t, 2>, Array<const float, 2>, Array<const float, 1>,
                      Array<const bool, 1>>(),
             nb::kw_only(), "rows"_a.noconvert(), "codes"_a.noconvert(),
             "residual"_a.noconvert().none(), "terms"_a.noconvert(), "centre"_a.noconvert(),
             "allowed"_a.noconvert().none());
    module.def("topk", &topk, nb::kw_only(), "coded"_a, "queries"_a.noconvert(),
               "ids"_a.noconvert(), "scores"_a.noconvert(), "mapped"_a, "threads"_a, "path"_a = "");
    module.def("within", &within, nb::kw_only(), "coded"_a, "queries"_a.noconvert(),
               "floors"_a.noconvert(), "threads"_a, "path"_a = "");
    module.def("rescore", &rescore, nb::kw_only(), "queries"_a.noconvert(), "rows"_a.noconvert(),
               "ids"_a.noconvert(), "scores"_a.noconvert(), "threads"_a);
}

} // namespace twinlens::bindings
