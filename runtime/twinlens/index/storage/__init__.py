"""Storage of an index: in memory, or in a folder with atomic commits."""
