"""CUDA: options, driver, shared libraries and their cures, node placement, memory."""
