"""Scenarios: one manner of asking each."""
