"""Benchmarks: every question beside its peers, with the error of the answer."""
