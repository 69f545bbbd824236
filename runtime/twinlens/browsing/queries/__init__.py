"""Queries of the page: words with signs, rows of pictures, and hits that are near duplicates."""
