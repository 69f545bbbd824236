"""Pictures of a folder: their files, their index, and the cache that holds it."""
