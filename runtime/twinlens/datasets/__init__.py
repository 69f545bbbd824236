"""Datasets on disk: images, pairs and embeddings in folders, tars and tables."""
