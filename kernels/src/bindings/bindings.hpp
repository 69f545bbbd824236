// bindings.hpp - registration of each topic's names, called by module.cpp.
#pragma once

#include <nanobind/nanobind.h>

namespace twinlens::bindings {

void bind_cosines(nanobind::module_ &module);
void bind_cpu(nanobind::module_ &module);
void bind_dequantised(nanobind::module_ &module);
void bind_search(nanobind::module_ &module);
void bind_resample(nanobind::module_ &module);

} // namespace twinlens::bindings
