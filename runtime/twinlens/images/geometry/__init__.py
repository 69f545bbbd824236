"""Geometry of an image: crop, padding and resampling."""
