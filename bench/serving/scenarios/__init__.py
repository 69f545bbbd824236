"""Scenarios: one question to a service a file."""
