"""Storage of an index: in memory, or in a folder that is replaced atomically."""
