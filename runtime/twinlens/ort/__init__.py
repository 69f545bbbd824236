"""onnxruntime: the only room that imports it; devices, sessions and their options."""
