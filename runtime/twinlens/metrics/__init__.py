"""Metrics of arrays: retrieval, zero-shot classification, reliability, and their intervals."""
