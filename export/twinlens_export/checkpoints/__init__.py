"""Checkpoints: weights, tokenizer and preprocessing of each family, of transformers or OpenCLIP."""
