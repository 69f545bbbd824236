"""Evaluation of a model on pairs of known truth: retrieval, zero-shot classes, probabilities."""
