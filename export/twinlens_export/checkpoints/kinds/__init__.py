"""Kinds of checkpoints that are no folder of a whole model: lone towers, adapters, files."""
