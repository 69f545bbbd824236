"""Embedding: ONNX towers, and images and texts on their way through them."""
