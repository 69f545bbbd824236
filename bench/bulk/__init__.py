"""Bulk jobs: kills, losses of power, a million pictures, and the price of being resumable."""
