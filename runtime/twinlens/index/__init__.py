"""An index: embeddings with ids, kept in memory or in a folder, searched by exact cosine."""

from twinlens.index.hits import Hits, RangeHits
from twinlens.index.index import Index

__all__ = ["Hits", "Index", "RangeHits"]
