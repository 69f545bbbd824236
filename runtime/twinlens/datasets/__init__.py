"""Data sets on disk: images, pairs and embeddings in folders, tars and tables."""
