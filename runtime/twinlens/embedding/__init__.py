"""Embedding: ONNX towers, and streams of images and texts through them."""
