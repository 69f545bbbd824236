"""ONNX graphs of the image and text towers, made of the blocks of a precision."""
