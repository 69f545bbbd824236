// module.cpp - the extension module `_native`, topic by topic.

#include <nanobind/nanobind.h>

#include "bindings/bindings.hpp"

NB_MODULE(_native, module) {
    module.doc() = "Compiled kernels of twinlens.";
    // An index that lives until the interpreter ends keeps its rows' handle: no leak to tell of.
    nanobind::set_leak_warnings(false);
    twinlens::bindings::bind_cosines(module);
    twinlens::bindings::bind_cpu(module);
    twinlens::bindings::bind_dequantised(module);
    twinlens::bindings::bind_search(module);
    twinlens::bindings::bind_resample(module);
}
