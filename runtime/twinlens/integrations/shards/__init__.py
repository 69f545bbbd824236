"""Shards of an index: the answer of each, and their exact union."""
