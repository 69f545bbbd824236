"""Checkpoints as they are read: weights, tokenizer and preprocessing of each family and source."""
