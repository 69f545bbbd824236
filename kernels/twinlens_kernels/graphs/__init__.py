"""Kernels that are ONNX models, so that they run wherever the towers run.

A model is kept as bytes, because onnx is not installed where it runs; `tests/export` parses the
text and compares the bytes.
"""
