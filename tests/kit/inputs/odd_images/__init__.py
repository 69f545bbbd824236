"""Unusual image inputs and their expected results."""
