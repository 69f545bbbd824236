"""Sessions of onnxruntime: devices, options, IO binding. No other room knows the library."""
