"""Exact cosine top-k, against every library that users would pick."""
