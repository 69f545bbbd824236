"""Index of embeddings with ids, in memory or in a folder, searched by exact cosine."""
