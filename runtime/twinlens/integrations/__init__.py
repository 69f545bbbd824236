"""Embedders, deployments and sharded search on other people's engines."""
