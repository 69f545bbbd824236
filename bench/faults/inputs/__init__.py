"""Damaged inputs of the campaigns, each drawn from a seed."""
