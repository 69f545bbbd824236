r"""Schema of a folder of embeddings: Parquet shards that a job writes, resumes and hands on.

    name       string                              of the item, once in a folder: the path of an
                                                   image, path and member of an archive, or the text
    embedding  FixedSizeList<float32 | float16>[D] unit row; null for a lost item
    lost       string                              null; for a lost item, the reason

compressed by zstd. The metadata of the schema has the key `twinlens` with the JSON of
`StoredAbout`, which is everything that makes a row. A folder has files `*.parquet` of this schema;
a name that begins with "." or "_" is none of them (drafts, locks, the marker of a finished job).

A name need not be text (files of Linux, surrogates of strings): a character that UTF-8 does not
have is written as Python's escape of it, `\udcff`.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from twinlens import dataclass_json
from twinlens.bundle.specs import Modality
from twinlens.datasets.formats.embedding_schema import (
    EMBEDDING,
    FORMAT,
    METADATA,
    FloatType,
    about_in,
    embedding_schema,
    stored_name,
)
from twinlens.datasets.formats.parquet_file import pyarrow
from twinlens.errors import DatasetError, EmbeddingsError, quoted


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredAbout:
    """Everything that makes a stored row."""

    about: Mapping[str, str]
    """`Model.about`: checkpoint, precision, pixels, and the operators that computed the rows.

    Rows of one int8 bundle by native operators and by onnxruntime's own differ by up to 0.0019."""
    modality: Modality
    width: int
    """D"""
    dtype: FloatType
    device: str
    """"cpu" or "cuda"."""
    too_long: Literal["cut", "lost"] | None = None
    """Of texts: one longer than the context is cut, or lost."""
    format: int = FORMAT

    def schema(self) -> Any:  # noqa: ANN401  pyarrow's schema
        """Return the schema of pyarrow.

        Raises:
            ImportError: pyarrow is not installed.
        """
        pyarrow("the output")
        more = dataclass_json.write(self)
        for name in ("about", "format"):
            del more[name]
        return embedding_schema(
            self.width, key="name", dtype=self.dtype, about=self.about, more=more
        )

    @classmethod
    def of(cls, schema: Any, place: str) -> "StoredAbout":  # noqa: ANN401  pyarrow's schema
        """Read the metadata of a schema.

        Args:
            schema: of a file.
            place: the file, for the message.

        Raises:
            EmbeddingsError: it has no entry of a job, or a damaged one, or one of another format.
        """
        content = (schema.metadata or {}).get(METADATA)
        if content is None:
            raise EmbeddingsError(
                f"{place} does not say what made its embeddings: its schema has no metadata "
                f"{METADATA.decode()!r}; name another folder"
            )
        try:
            about_in(schema)
        except DatasetError as error:
            raise EmbeddingsError(f"{place} cannot be added to: {error}") from error
        try:
            return dataclass_json.read(cls, json.loads(content))
        except (ValueError, RecursionError) as error:
            raise EmbeddingsError(
                f"{place} has metadata {METADATA.decode()!r} that is not of a job: "
                f"{quoted(str(error))}; name another folder"
            ) from error


def table_of(
    names: Sequence[str],
    rows: NDArray[np.float32],
    about: StoredAbout,
    *,
    reasons: Sequence[str | None] | None = None,
) -> Any:  # noqa: ANN401  pyarrow's table
    """Return a table of n items.

    Args:
        names: [n]
        rows: [n, D] unit rows; the row of a lost item has no meaning.
        about: everything that makes a row.
        reasons: [n], None of an item that is not lost; None if none is.

    Raises:
        ImportError: pyarrow is not installed.
    """
    library, schema = pyarrow("the output"), about.schema()
    told = [None if reason is None else stored_name(reason) for reason in reasons or ()]
    lost = np.array([reason is not None for reason in told], dtype=np.bool_)
    stored = np.ascontiguousarray(rows, dtype=about.dtype)
    if lost.any():
        stored = np.where(lost[:, None], np.zeros(1, dtype=about.dtype), stored)
    embeddings = library.FixedSizeListArray.from_arrays(
        library.array(stored.reshape(-1)),
        type=schema.field(EMBEDDING).type,
        mask=library.array(lost) if lost.any() else None,
    )
    text = library.string()
    columns = [
        library.array([stored_name(name) for name in names], text),
        embeddings,
        library.array(told or [None] * len(names), text),
    ]
    return library.Table.from_arrays(columns, schema=schema)
