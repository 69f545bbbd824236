"""The operators of the towers as ONNX functions, for where the native operators do not serve."""
