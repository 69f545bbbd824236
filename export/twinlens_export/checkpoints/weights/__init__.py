"""Weights of any file, and adapters that are added to them."""
