"""Exact search without codes: corpus tiles, float32 products with a bound, float64 scores."""
