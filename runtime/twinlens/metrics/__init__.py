"""Metrics of arrays: retrieval, zero-shot classes, reliability and their intervals."""
