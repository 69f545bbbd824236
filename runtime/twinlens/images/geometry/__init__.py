"""Geometry of an image: orientation, crop, padding and resampling."""
