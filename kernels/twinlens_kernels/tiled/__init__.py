"""Exact search without codes: float32 products of corpus tiles, bounds, float64 rescoring."""
