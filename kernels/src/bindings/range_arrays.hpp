// range_arrays.hpp - a search by floors as Python asks for it: checked arguments, arrays of hits.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <memory>
#include <string>
#include <type_traits>

#include "bindings/arguments.hpp"
#include "search/coded_range.hpp"

namespace twinlens::bindings {

// The hits that search(kernels) returns, as three arrays that share one owner: of the query, the
// row and the score. It runs without the lock of the interpreter.
template <typename Search>
nanobind::tuple range_arrays(const CodedCorpus &corpus, const Array<const float, 2> &queries,
                             const Array<const double, 1> &floors, const std::string &path,
                             const Search &search) {
    require(length(queries, 1) == corpus.width && queries.shape(0) >= 1, "queries: not [Q, D]");
    require(floors.shape(0) == queries.shape(0), "floors: not [Q]");
    const KernelTable &kernels = kernels_for(path);
    auto hits = std::make_unique<RangeHits>();
    {
        nanobind::gil_scoped_release release;
        *hits = search(kernels);
    }
    RangeHits *kept = hits.release();
    nanobind::capsule owner(kept,
                            [](void *found) noexcept { delete static_cast<RangeHits *>(found); });
    const auto array = [&](auto &numbers) {
        using Scalar = typename std::decay_t<decltype(numbers)>::value_type;
        return nanobind::ndarray<nanobind::numpy, Scalar, nanobind::ndim<1>>(
            numbers.data(), {numbers.size()}, owner);
    };
    return nanobind::make_tuple(array(kept->of_query), array(kept->ids), array(kept->scores));
}

} // namespace twinlens::bindings
