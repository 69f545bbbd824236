// resample_bind.hpp - what bind.cpp calls to make the passes known to Python.
#pragma once

#include <nanobind/nanobind.h>

namespace twinlens {

void bind_resample(nanobind::module_ &module);

} // namespace twinlens
