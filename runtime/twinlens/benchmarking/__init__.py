"""Benchmarks of `twinlens bench`: a model, or a service, as its user would measure it."""
