"""Search engines: native kernels, ONNX Runtime for processors without them, and CUDA."""
