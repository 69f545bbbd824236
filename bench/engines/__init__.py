"""Engines of others over twinlens: embedding by Ray Data and Daft, exact search over shards."""
