"""Options of a bulk job, and its report."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final, get_args

from twinlens.bulk.shard import WHOLE, Shard
from twinlens.bundle.specs import Modality
from twinlens.datasets.formats.embedding_schema import FloatType
from twinlens.errors import quoted
from twinlens.texts.tokenizer import OnCut

PART_ROWS: Final = 8192
PART_S: Final = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class BulkOptions:
    """Options of `embed_to_parquet`."""

    modality: Modality = "image"
    """"image" or "text": kind of the items."""
    dtype: FloatType = "float32"
    """"float32" or "float16": type of the stored numbers. float16 halves a folder; the cosine of a
    row with a float32 query differs by up to 0.0005."""
    shard: Shard = WHOLE
    """The names that this job embeds; other jobs may write the others into the same folder."""
    on_cut: OnCut = "warn"
    """Handling of a text longer than the context, as of `embed_texts`; with "error" it is lost."""
    retry_lost: bool = False
    """Embed again what was lost before."""
    part_rows: int = PART_ROWS
    """Items of a part, at most: they are in memory until it is written."""
    part_s: float = PART_S
    """Seconds after which a part is written although it is smaller: as much is lost by a kill."""

    def __post_init__(self) -> None:
        for name, value, known in (
            ("modality", self.modality, get_args(Modality)),
            ("dtype", self.dtype, get_args(FloatType)),
            ("on_cut", self.on_cut, get_args(OnCut)),
        ):
            if value not in known:
                raise ValueError(f"{name} is {quoted(value)!r}, not one of {', '.join(known)}")
        if self.part_rows < 1 or not self.part_s > 0:
            raise ValueError(
                f"a part has {self.part_rows} items or {self.part_s} s, wanted positive numbers"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class LostItem:
    """Item without an embedding."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BulkReport:
    """Report of a finished job, on the names of its shard."""

    out: Path
    width: int
    """D"""
    rows: int
    """Embeddings in the folder."""
    embedded: int
    """Of them, those of this run."""
    n_lost: int
    """Items in the folder without an embedding."""
    lost: tuple[LostItem, ...]
    """The first 1,000 of them."""
    repeated: int
    """Items of a name that was met before, and that may be others: members of archives, arrays. The
    first has the row."""
    vanished: int
    """Items in the folder that the source does not have any more; their rows are kept."""
