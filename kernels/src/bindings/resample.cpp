// resample.cpp - Python bindings of the resampling: shapes are checked, and the GIL is released.

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>

#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "bindings/arguments.hpp"
#include "bindings/bindings.hpp"
#include "resample/arrow_pixels.hpp"
#include "resample/taps.hpp"
#include "search/dispatch.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace twinlens::bindings {
namespace {

template <typename Scalar, int Dimensions>
using Rows = nb::ndarray<Scalar, nb::ndim<Dimensions>, nb::device::cpu>;

// True if the pixels of a row are contiguous; rows may be apart.
template <typename A> bool has_whole_rows(const A &array) {
    std::int64_t wanted = 1;
    for (std::size_t dimension = array.ndim() - 1; dimension > 0; --dimension) {
        if (array.stride(dimension) != wanted && array.shape(dimension) != 1) {
            return false;
        }
        wanted *= length(array, dimension);
    }
    return true;
}

// Tables other than the scalar one take taps in groups.
const KernelTable &kernels_for_taps(const Taps &taps, const std::string &path) {
    const KernelTable &kernels = kernels_for(path);
    return taps.count % taps_together == 0 ? kernels : scalar_kernels;
}

std::vector<std::uint8_t> work_for(const Taps &taps) {
    // A register may hold more taps than there are.
    const std::int64_t padded = (taps.count + 15) / 16 * 16;
    return std::vector<std::uint8_t>(
        static_cast<std::size_t>(taps.length * padded * work_bytes_a_weight));
}

OwnedTaps taps(std::int64_t size, double start, double stop, std::int64_t length,
               const std::string &filter) {
    constexpr std::int64_t longest = 1 << 24; // float32 represents each integer up to here
    require(size >= 1 && size <= longest && length >= 1 && length <= longest, "taps: lengths");
    const auto first = static_cast<float>(start), last = static_cast<float>(stop);
    require(0 <= first && first < last && last <= static_cast<float>(size), "taps: ends");
    const ResampleFilter *found = resample_filter(filter);
    require(found != nullptr, "taps: filter");
    return {size, first, last, length, *found};
}

nb::object pixels(const nb::capsule &schema, const nb::capsule &array, std::int64_t height,
                  std::int64_t width) {
    require(std::strcmp(schema.name(), "arrow_schema") == 0 &&
                std::strcmp(array.name(), "arrow_array") == 0,
            "pixels: not the two capsules of Arrow");
    const std::uint8_t *first =
        four_byte_pixels(*static_cast<ArrowSchema *>(schema.data()),
                         *static_cast<ArrowArray *>(array.data()), height * width);
    require(first != nullptr, "pixels: not [height * width] lists of four uint8");
    // The capsule that owns the pixels lives as long as the array, and releases them.
    return nb::cast(nb::ndarray<nb::numpy, const std::uint8_t, nb::ndim<3>>(
        first, {static_cast<std::size_t>(height), static_cast<std::size_t>(width), 4}, array));
}

void across(const Rows<const std::uint8_t, 3> &source, const OwnedTaps &owned,
            const Rows<std::uint8_t, 3> &target, const std::string &path) {
    const Taps taps = owned.taps();
    require(length(source, 1) == taps.size && source.shape(2) == 4, "source: not [N, size, 4]");
    require(target.shape(0) == source.shape(0) && length(target, 1) == taps.length &&
                target.shape(2) == 3,
            "target: not [N, length, 3]");
    require(has_whole_rows(source) && has_whole_rows(target), "source and target: strides");
    const KernelTable &kernels = kernels_for_taps(taps, path);
    nb::gil_scoped_release release;
    std::vector<std::uint8_t> work = work_for(taps);
    kernels.across({source.data(), source.stride(0)}, length(source, 0), taps, work.data(),
                   {target.data(), target.stride(0)});
}

void down(const Rows<const std::uint8_t, 3> &source, const OwnedTaps &owned,
          const Rows<std::uint8_t, 3> &target, const std::string &path) {
    const Taps taps = owned.taps();
    require(length(source, 0) == taps.size, "source: not [size, W, C]");
    require(length(target, 0) == taps.length && target.shape(1) == source.shape(1) &&
                target.shape(2) == source.shape(2),
            "target: not [length, W, C]");
    require(has_whole_rows(source) && has_whole_rows(target), "source and target: strides");
    const KernelTable &kernels = kernels_for_taps(taps, path);
    nb::gil_scoped_release release;
    std::vector<std::uint8_t> work = work_for(taps);
    kernels.down({source.data(), source.stride(0)}, length(source, 1) * length(source, 2), taps,
                 work.data(), {target.data(), target.stride(0)});
}

} // namespace

void bind_resample(nb::module_ &module) {
    nb::class_<OwnedTaps>(module, "Taps");
    module.def("taps", &taps, nb::kw_only(), "size"_a, "start"_a, "stop"_a, "length"_a,
               "filter_name"_a);
    module.def("pixels", &pixels, nb::kw_only(), "schema"_a, "array"_a, "height"_a, "width"_a);
    module.def("across", &across, nb::kw_only(), "source"_a.noconvert(), "taps"_a,
               "target"_a.noconvert(), "path"_a = "");
    module.def("down", &down, nb::kw_only(), "source"_a.noconvert(), "taps"_a,
               "target"_a.noconvert(), "path"_a = "");
}

} // namespace twinlens::bindings
