"""Bulk embedding: resumable shards of Parquet."""
