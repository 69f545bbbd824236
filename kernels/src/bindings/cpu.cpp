// cpu.cpp - Python binding of the processor's features.

#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <string>
#include <vector>

#include "bindings/bindings.hpp"
#include "cpu/features.hpp"

namespace nb = nanobind;

namespace twinlens::bindings {
namespace {

std::vector<std::string> cpu_features() {
    std::vector<std::string> names;
    for (const cpu::Feature &feature : cpu::features()) {
        if (feature.available) {
            names.emplace_back(feature.name);
        }
    }
    return names;
}

} // namespace

void bind_cpu(nb::module_ &module) { module.def("cpu_features", &cpu_features); }

} // namespace twinlens::bindings
