"""CLIP-like models as two small ONNX programs: embed, search exactly, match with calibrated odds.

Letters of the shapes, everywhere: B batch, D width of an embedding, N rows of an index, Q queries,
K hits of a query, S side of a picture in pixels, T tokens of a text, C labels.

>>> import twinlens
>>> model = twinlens.load("demo", device="cpu")
>>> model.embed_texts(["a dog", "a red apple"]).shape
(2, 192)
"""

from importlib.metadata import version as _version

from twinlens.calibration import Calibration
from twinlens.errors import TwinlensError
from twinlens.index import Hits, Index
from twinlens.loading import load
from twinlens.model import Classes, Model
from twinlens.search import semantic_search

__all__ = [
    "Calibration",
    "Classes",
    "Hits",
    "Index",
    "Model",
    "TwinlensError",
    "load",
    "semantic_search",
]

__version__ = _version("twinlens")
