"""Calibrations that an export makes without pairs."""
