"""Where the kernels do not search: onnxruntime in their place, and corpora on a device."""
