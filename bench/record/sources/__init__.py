"""Figures of one file of results each."""
