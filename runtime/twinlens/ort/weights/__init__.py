"""Weights of an ONNX file that lie beside it: found, and mapped once for all sessions."""
