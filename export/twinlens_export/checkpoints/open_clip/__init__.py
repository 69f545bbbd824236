"""Checkpoints of OpenCLIP: configuration, towers, tokenizer and preprocessing."""
