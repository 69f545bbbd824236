"""Search engines: native kernels, ONNX Runtime where there are none, and CUDA."""
