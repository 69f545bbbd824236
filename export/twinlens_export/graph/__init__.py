"""ONNX graphs: their builder, and passes over them."""
