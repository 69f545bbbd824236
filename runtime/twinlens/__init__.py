"""CLIP-like models as two small ONNX models: embed, search exactly, match with calibrated odds.

The public interface is `twinlens.__all__`, all of it importable from here. Submodules are private:
they may move or change in any release.

Letters of the shapes, everywhere: B batch, D width of an embedding, N rows of an index, Q queries,
K hits of a query, S side of an image in px, T tokens of a text, C labels, M pairs.

>>> import twinlens
>>> model = twinlens.load("demo", device="cpu")
>>> model.embed_texts(["a dog", "a red apple"]).shape
(2, 192)
"""

from twinlens_command import take_signal_if_run as _take_signal_if_run  # isort: skip

_take_signal_if_run("twinlens")

from importlib import import_module as _import
from importlib.metadata import version as _version
from typing import TYPE_CHECKING, Final

from twinlens.batch import Batch, Items, TableColumn
from twinlens.bundle.calibration import (
    Calibration,
    CalibrationLevel,
    HeldOut,
    Negatives,
    NegativeSampling,
    PairKind,
    Threshold,
)
from twinlens.bundle.curves import BetaCurve, CalibrationCurve, IsotonicCurve, PlattCurve
from twinlens.bundle.pixel_mode import PixelMode
from twinlens.bundle.specs import Modality, PassOrder, Precision
from twinlens.dataframes import Answer, Table
from twinlens.embedding.embedded_blocks import EmbeddedBlock, LostImage, OnError
from twinlens.errors import (
    BundleError,
    CalibrationError,
    ClosedError,
    CodesOnlyError,
    DatasetError,
    DeadlineError,
    DeviceMemoryError,
    EmbeddingsBusyError,
    EmbeddingsError,
    IdError,
    ImageError,
    IndexBusyError,
    IndexFileError,
    MissingTowerError,
    OverloadedError,
    PairsError,
    ProviderError,
    RequestSizeError,
    RunCancelledError,
    ShardError,
    TextError,
    TwinlensError,
)
from twinlens.images.image_like import Encoded, ImageLike
from twinlens.images.limits import Limits
from twinlens.images.named_image import NamedImage
from twinlens.images.pixel_options import PixelOptions
from twinlens.images.read_options import Colour, ReadOptions
from twinlens.index.arrays.layout import Kept
from twinlens.index.blocks import Embeddings
from twinlens.index.filters import Filter
from twinlens.index.hits import Hits, RangeHits
from twinlens.index.ids import IdsLike
from twinlens.index.index import Index
from twinlens.index.index_reader import IndexReader
from twinlens.index.row_writer import RowWriter
from twinlens.loading import load
from twinlens.model.model import Model
from twinlens.model.zero_shot import Classes
from twinlens.ort.cancellation import Cancellation
from twinlens.ort.cuda.options import ArenaGrowth, ConvolutionSearch, CudaOptions
from twinlens.ort.io_binding import OnDevice
from twinlens.provenance import check_about
from twinlens.search.searched_data import EmbeddingModel
from twinlens.search.semantic_search import Response, semantic_search
from twinlens.texts.tokenizer import OnCut
from twinlens.texts.tokens import Tokens

if TYPE_CHECKING:
    from twinlens.bulk.embed_to_parquet import embed_to_parquet
    from twinlens.bulk.options import BulkOptions, BulkReport, LostItem
    from twinlens.bulk.shard import Shard
    from twinlens.calibration.calibrate import calibrate
    from twinlens.calibration.calibration_options import CalibrationOptions
    from twinlens.calibration.fit_labelled import CalibrationMethod
    from twinlens.datasets.embedding_parquet import parquet_blocks
    from twinlens.datasets.formats.embedding_schema import FloatType
    from twinlens.datasets.pairs import Columns, Pairs
    from twinlens.datasets.read_images import read_images
    from twinlens.datasets.read_pairs import read_pairs
    from twinlens.datasets.read_same_pairs import read_image_pairs, read_text_pairs
    from twinlens.datasets.same_pairs import AnyPairs, ImagePairs, TextPairs
    from twinlens.evaluation.evaluate import Evaluation, ModelEvaluation, evaluate
    from twinlens.evaluation.evaluate_retrieval import RetrievalEvaluation, evaluate_retrieval
    from twinlens.images.data_uri import from_base64, from_data_uri
    from twinlens.metrics.bootstrap import Estimate
    from twinlens.metrics.reliability import Diagram, Histograms, Quality, Reliability
    from twinlens.metrics.retrieval import Retrieval
    from twinlens.metrics.thresholds import OperatingPoint
    from twinlens.metrics.zero_shot import ZeroShot
    from twinlens.serving.admission_limits import AdmissionLimits
    from twinlens.serving.answers import EmbeddedRequest, ServingStats, Timings
    from twinlens.serving.async_model import AsyncModel
    from twinlens.serving.observer import DropReason, Observer, RunReport
    from twinlens.serving.serving_model import ServingModel
    from twinlens.serving.work import Base64Image, Kind, Priority, QueueName

__all__ = [  # noqa: RUF022  by room
    # open and embed
    "load",
    "Model",
    "Batch",
    "Items",
    "TableColumn",
    "EmbeddedBlock",
    "LostImage",
    "OnError",
    "OnCut",
    "Tokens",
    "Cancellation",
    "Precision",
    "Modality",
    "PassOrder",
    "check_about",
    # devices
    "CudaOptions",
    "ConvolutionSearch",
    "ArenaGrowth",
    "OnDevice",
    # images
    "ImageLike",
    "Encoded",
    "NamedImage",
    "PixelOptions",
    "PixelMode",
    "ReadOptions",
    "Colour",
    "Limits",
    "from_base64",
    "from_data_uri",
    # data sets
    "read_images",
    "read_pairs",
    "Pairs",
    "ImagePairs",
    "TextPairs",
    "AnyPairs",
    "read_image_pairs",
    "read_text_pairs",
    "Columns",
    "parquet_blocks",
    "Table",
    "Answer",
    # millions
    "embed_to_parquet",
    "BulkOptions",
    "BulkReport",
    "LostItem",
    "Shard",
    "FloatType",
    # search
    "Index",
    "IndexReader",
    "RowWriter",
    "Hits",
    "RangeHits",
    "Embeddings",
    "IdsLike",
    "Kept",
    "Filter",
    "semantic_search",
    "Response",
    "EmbeddingModel",
    # probabilities
    "Calibration",
    "CalibrationLevel",
    "PairKind",
    "Negatives",
    "NegativeSampling",
    "HeldOut",
    "Threshold",
    "CalibrationCurve",
    "PlattCurve",
    "BetaCurve",
    "IsotonicCurve",
    "calibrate",
    "CalibrationOptions",
    "CalibrationMethod",
    "Classes",
    # evaluation
    "evaluate",
    "Evaluation",
    "ModelEvaluation",
    "evaluate_retrieval",
    "RetrievalEvaluation",
    "Estimate",
    "Retrieval",
    "ZeroShot",
    "Reliability",
    "Quality",
    "Diagram",
    "Histograms",
    "OperatingPoint",
    # services
    "AsyncModel",
    "AdmissionLimits",
    "Base64Image",
    "DropReason",
    "EmbeddedRequest",
    "Kind",
    "Observer",
    "Priority",
    "QueueName",
    "RunReport",
    "ServingModel",
    "ServingStats",
    "Timings",
    # errors
    "TwinlensError",
    "BundleError",
    "CalibrationError",
    "ClosedError",
    "CodesOnlyError",
    "DatasetError",
    "DeadlineError",
    "DeviceMemoryError",
    "EmbeddingsBusyError",
    "EmbeddingsError",
    "IdError",
    "ImageError",
    "IndexBusyError",
    "IndexFileError",
    "MissingTowerError",
    "OverloadedError",
    "PairsError",
    "ProviderError",
    "RequestSizeError",
    "RunCancelledError",
    "ShardError",
    "TextError",
]

__version__ = _version("twinlens")

_LATE: Final = {
    "embed_to_parquet": "twinlens.bulk.embed_to_parquet",
    "BulkOptions": "twinlens.bulk.options",
    "BulkReport": "twinlens.bulk.options",
    "LostItem": "twinlens.bulk.options",
    "Shard": "twinlens.bulk.shard",
    "calibrate": "twinlens.calibration.calibrate",
    "CalibrationOptions": "twinlens.calibration.calibration_options",
    "CalibrationMethod": "twinlens.calibration.fit_labelled",
    "parquet_blocks": "twinlens.datasets.embedding_parquet",
    "FloatType": "twinlens.datasets.formats.embedding_schema",
    "Columns": "twinlens.datasets.pairs",
    "Pairs": "twinlens.datasets.pairs",
    "read_images": "twinlens.datasets.read_images",
    "read_pairs": "twinlens.datasets.read_pairs",
    "read_image_pairs": "twinlens.datasets.read_same_pairs",
    "read_text_pairs": "twinlens.datasets.read_same_pairs",
    "AnyPairs": "twinlens.datasets.same_pairs",
    "ImagePairs": "twinlens.datasets.same_pairs",
    "TextPairs": "twinlens.datasets.same_pairs",
    "Evaluation": "twinlens.evaluation.evaluate",
    "ModelEvaluation": "twinlens.evaluation.evaluate",
    "evaluate": "twinlens.evaluation.evaluate",
    "evaluate_retrieval": "twinlens.evaluation.evaluate_retrieval",
    "RetrievalEvaluation": "twinlens.evaluation.evaluate_retrieval",
    "from_base64": "twinlens.images.data_uri",
    "from_data_uri": "twinlens.images.data_uri",
    "Estimate": "twinlens.metrics.bootstrap",
    "Diagram": "twinlens.metrics.reliability",
    "Histograms": "twinlens.metrics.reliability",
    "Quality": "twinlens.metrics.reliability",
    "Reliability": "twinlens.metrics.reliability",
    "Retrieval": "twinlens.metrics.retrieval",
    "OperatingPoint": "twinlens.metrics.thresholds",
    "ZeroShot": "twinlens.metrics.zero_shot",
    "AdmissionLimits": "twinlens.serving.admission_limits",
    "EmbeddedRequest": "twinlens.serving.answers",
    "ServingStats": "twinlens.serving.answers",
    "Timings": "twinlens.serving.answers",
    "AsyncModel": "twinlens.serving.async_model",
    "DropReason": "twinlens.serving.observer",
    "Observer": "twinlens.serving.observer",
    "RunReport": "twinlens.serving.observer",
    "ServingModel": "twinlens.serving.serving_model",
    "Base64Image": "twinlens.serving.work",
    "Kind": "twinlens.serving.work",
    "Priority": "twinlens.serving.work",
    "QueueName": "twinlens.serving.work",
}
"""Homes of the names imported at first use: a service that only embeds starts 20 ms sooner."""


def __dir__() -> list[str]:
    return sorted(__all__)


if not TYPE_CHECKING:  # a type checker would take any name for a good one

    def __getattr__(name: str) -> object:
        if name not in _LATE:
            raise AttributeError(f"module 'twinlens' has no attribute {name!r}")
        found: object = getattr(_import(_LATE[name]), name)
        globals()[name] = found
        return found
