"""Arrow batches embedded: rows {name, embedding, lost} in the schema of `twinlens embed`.

The engines (Ray Data, Daft, Spark) differ in who calls this, and when.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from twinlens.bulk.items import without_number
from twinlens.bulk.schema import StoredAbout, table_of
from twinlens.datasets.formats.parquet_file import cells
from twinlens.datasets.image_parquet import image_from_cell
from twinlens.errors import DatasetError, ImageError, quoted
from twinlens.images.image_like import ImageLike
from twinlens.integrations.embedding_job import EmbeddingJob
from twinlens.model.model import Model

F32 = NDArray[np.float32]
ArrowTable: TypeAlias = Any
"""A table of pyarrow."""
ArrowBatch: TypeAlias = Any
"""A table or a record batch of pyarrow."""
Reasons: TypeAlias = dict[int, str]
"""Reasons of the lost items, by their places."""

_ROWS_AT_ONCE: Final = 1024


def embed_batch(model: Model, job: EmbeddingJob, batch: ArrowBatch) -> ArrowTable:
    """Return a table of n rows {name, embedding, lost} for a batch of n rows, in their order.

    An item that cannot be read is a row without an embedding, with the reason in `lost`.

    Args:
        model: model of the job.
        job: columns.
        batch: table or record batch that has them.

    Raises:
        ValueError: a column is missing, or images have neither names nor paths.
    """
    job.require_columns(batch.schema.names)
    names = None if job.name is None else plain_cells(batch.column(job.name))
    return embed_cells(model, job, plain_cells(batch.column(job.column)), names)


def embed_cells(
    model: Model, job: EmbeddingJob, items: Sequence[object], names: Sequence[object] | None
) -> ArrowTable:
    """Return the table of `embed_batch` for items [n] as Python has them.

    Args:
        model: model of the job.
        job: kind of the items.
        items: of an image: encoded bytes, a path, a struct of both, pixels, or a PIL image.
        names: [n]; None for paths and texts, which name themselves.

    Raises:
        ValueError: the items have no names.
    """
    own = [_own_name(item) for item in items] if names is None else names
    rows, reasons = _embedded(model, job, items)
    called, reasons = _named(own, reasons)
    about = StoredAbout(
        about=model.about,
        modality=job.modality,
        width=model.width,
        dtype="float32",
        device=model.device.partition(":")[0],
        too_long="cut" if job.modality == "text" else None,
    )
    told = [reasons.get(place) for place in range(len(items))]
    return table_of(called, rows, about, reasons=told if reasons else None)


def plain_cells(column: Any) -> list[object]:  # noqa: ANN401  arrays of pyarrow and numpy
    """Return the cells of a column as Python has them; tensors as arrays of numpy."""
    if not hasattr(column, "type"):
        return list(column)
    chunks = getattr(column, "chunks", [column])
    if hasattr(column.type, "extension_name"):
        return [cell for chunk in chunks for cell in _tensors(chunk)]
    return [cell for chunk in chunks for cell in cells(chunk)]


def _tensors(chunk: Any) -> Iterable[object]:  # noqa: ANN401  an extension array of pyarrow
    """Return the arrays of pyarrow's own tensors, or of Ray's."""
    if hasattr(chunk, "to_numpy_ndarray"):
        return list(chunk.to_numpy_ndarray())
    return list(chunk.to_numpy(zero_copy_only=False))


def _embedded(model: Model, job: EmbeddingJob, items: Sequence[object]) -> tuple[F32, Reasons]:
    """Return rows [n, D] and the reasons of those that have no meaning."""
    root = Path(job.root)
    read: Callable[[object], Any] = _text if job.modality == "text" else lambda c: _image(c, root)
    reasons: Reasons = {}
    places, good = [], []
    for place, item in enumerate(items):
        try:
            good.append(read(item))
            places.append(place)
        except (ImageError, TypeError) as error:
            reasons[place] = str(error)
    rows = np.zeros((len(items), model.width), dtype=np.float32)
    stream = model.stream_texts if job.modality == "text" else model.stream_images
    for block in stream(good, block=_ROWS_AT_ONCE, on_error="nan"):
        rows[[places[number] for number in block.indices]] = block.rows
        for lost in block.lost:
            item = f"{job.modality} {lost.index}"  # its place in the batch says nothing to anybody
            reasons[places[lost.index]] = without_number(lost.reason, item)
    return rows, reasons


def _text(cell: object) -> str:
    if isinstance(cell, str):
        return str(cell)
    why = cell if isinstance(cell, DatasetError) else quoted(cell)
    raise TypeError(f"no text: {why}")


def _image(cell: object, root: Path) -> ImageLike:
    """Return the image in a cell.

    Raises:
        ImageError: there is none.
    """
    if isinstance(cell, (np.ndarray, Image.Image)):
        return cell
    found = image_from_cell(cell, root)
    if isinstance(found, ImageError):
        raise found
    return found


def _own_name(cell: object) -> object:
    """Return the path or the text in a cell; None for one that has no name of its own."""
    if isinstance(cell, Mapping):
        cell = cell.get("path")
    return cell if isinstance(cell, str) and cell else None


def _named(names: Sequence[object], reasons: Reasons) -> tuple[list[str], Reasons]:
    """Return names [n] and the reasons; an item without a name is lost, too.

    Raises:
        ValueError: no item has a name.
    """
    called = [_name_in(cell) for cell in names]
    nameless = [place for place, name in enumerate(called) if not name]
    if len(nameless) > sum(place in reasons for place in nameless) and len(nameless) == len(names):
        raise ValueError(
            "bytes and pixels have no names, by which their rows are known; give `name`, a column "
            "of names"
        )
    more = dict.fromkeys(nameless, "it has no name; give each item one")
    return called, {**more, **reasons}


def _name_in(cell: object) -> str:
    """Return the name in a cell; "" for none: a null, NaN as pandas has it, or bytes not UTF-8."""
    if cell is None or isinstance(cell, DatasetError) or cell != cell:  # noqa: PLR0124  NaN alone
        return ""
    return cell.decode("utf-8", "backslashreplace") if isinstance(cell, bytes) else str(cell)
