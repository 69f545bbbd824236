"""Evaluation of a model on labelled pairs: retrieval, zero-shot classification, probabilities."""
