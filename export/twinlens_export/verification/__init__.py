"""Verification: exported towers against the reference model, on real images and texts."""
