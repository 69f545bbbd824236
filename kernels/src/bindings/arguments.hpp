// arguments.hpp - checks of the bindings' arguments.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "search/dispatch.hpp"

namespace twinlens::bindings {

// C-contiguous array on the CPU.
template <typename Scalar, int Dimensions>
using Array = nanobind::ndarray<Scalar, nanobind::ndim<Dimensions>, nanobind::c_contig,
                                nanobind::device::cpu>;

// Raises ValueError with this text unless the argument fits.
inline void require(bool fits, const char *what) {
    if (!fits) {
        throw nanobind::value_error(what);
    }
}

template <typename A> std::int64_t length(const A &array, std::size_t dimension) {
    return static_cast<std::int64_t>(array.shape(dimension));
}

// The kernels of the instruction set that Python names by `path`; empty for the best.
inline const KernelTable &kernels_for(std::string_view path) {
    const KernelTable *kernels = kernel_table_named(path);
    require(kernels != nullptr, "path: this processor does not run it");
    return *kernels;
}

// Null for Python's None, which arrives as an array that is not valid.
template <typename A> auto data_or_null(const A &array) {
    return array.is_valid() ? array.data() : nullptr;
}

} // namespace twinlens::bindings
