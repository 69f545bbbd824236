"""Checks and timings that need a GPU."""
