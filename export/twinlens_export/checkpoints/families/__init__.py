"""Families of checkpoints: the names that each has for its weights, and its variants."""
