"""ONNX graphs of an image and a text tower, built of the blocks of a precision."""
