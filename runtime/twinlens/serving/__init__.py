"""Micro-batches under load: one queue, fair shares, workers on one loaded model."""
