"""CLIP-like models as two small ONNX programs: embed, search exactly, match with calibrated odds.

Letters of the shapes, everywhere: B batch, D width of an embedding, N rows of an index, Q queries,
K hits of a query, S side of a picture in pixels, T tokens of a text, C labels, M pairs.

>>> import twinlens
>>> model = twinlens.load("demo", device="cpu")
>>> model.embed_texts(["a dog", "a red apple"]).shape
(2, 192)
"""

from importlib import import_module as _import
from importlib.metadata import version as _version
from typing import TYPE_CHECKING, Final

from twinlens.bundle.calibration import Calibration
from twinlens.errors import TwinlensError
from twinlens.index.hits import Hits, RangeHits
from twinlens.index.index import Index
from twinlens.loading import load
from twinlens.model import Model
from twinlens.ort.cuda.options import CudaOptions
from twinlens.search.semantic_search import semantic_search
from twinlens.zero_shot import Classes

if TYPE_CHECKING:
    from twinlens.calibration.calibrate import calibrate
    from twinlens.calibration.calibration_options import CalibrationOptions
    from twinlens.datasets.embedding_parquet import parquet_blocks
    from twinlens.datasets.pairs import Columns, Pairs
    from twinlens.datasets.read_images import read_images
    from twinlens.datasets.read_pairs import read_pairs
    from twinlens.evaluation.evaluate import Evaluation, evaluate

__all__ = [
    "Calibration",
    "CalibrationOptions",
    "Classes",
    "Columns",
    "CudaOptions",
    "Evaluation",
    "Hits",
    "Index",
    "Model",
    "Pairs",
    "RangeHits",
    "TwinlensError",
    "calibrate",
    "evaluate",
    "load",
    "parquet_blocks",
    "read_images",
    "read_pairs",
    "semantic_search",
]

__version__ = _version("twinlens")

_LATE: Final = {
    "CalibrationOptions": "twinlens.calibration.calibration_options",
    "Columns": "twinlens.datasets.pairs",
    "Evaluation": "twinlens.evaluation.evaluate",
    "Pairs": "twinlens.datasets.pairs",
    "calibrate": "twinlens.calibration.calibrate",
    "evaluate": "twinlens.evaluation.evaluate",
    "parquet_blocks": "twinlens.datasets.embedding_parquet",
    "read_images": "twinlens.datasets.read_images",
    "read_pairs": "twinlens.datasets.read_pairs",
}
"""Imported when first asked for: a service that only embeds starts 20 ms sooner."""


def __getattr__(name: str) -> object:
    if name not in _LATE:
        raise AttributeError(f"module 'twinlens' has no attribute {name!r}")
    found: object = getattr(_import(_LATE[name]), name)
    globals()[name] = found
    return found
