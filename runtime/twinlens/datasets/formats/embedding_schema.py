"""Schema of embeddings in Parquet: a row an item, and the maker of all rows in the metadata.

    name       string                                   name of the item;
    id         int64                                    or its number; or neither column
    embedding  fixed_size_list<float32 | float16>[D]    unit row; null for a lost item
    lost       string                                   reason of the loss; null for the others

A character that UTF-8 does not have, as names of files may, is written as Python's escape of it.

Under the key `twinlens`, the metadata of the schema has a JSON object. Its entry `about` is the
maker of the rows, as `Model.about` and `Index.about` give it; writers may add entries of their own.
"""

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, Literal, get_args

from twinlens.datasets.formats.parquet_file import pyarrow
from twinlens.datasets.quoting import quoted_value
from twinlens.errors import DatasetError, quoted

NAME: Final = "name"
ID: Final = "id"
EMBEDDING: Final = "embedding"
LOST: Final = "lost"
FORMAT: Final = 1

FloatType = Literal["float32", "float16"]
"""Type of the stored numbers."""
KeyColumn = Literal["name", "id"]
"""Column of the ids."""

METADATA: Final = b"twinlens"
"""Key of the metadata."""
PARQUET: Final[Mapping[str, Any]] = MappingProxyType(
    {"compression": "zstd", "use_dictionary": False, "write_page_checksum": True}
)
"""Settings of pyarrow's writers. No value is there twice: a dictionary of 8,192 rows of 512 numbers
takes 520 ms to write, and none 90 ms (EPYC). Without a checksum, a flipped bit would be another
number."""


def embedding_schema(
    width: int,
    *,
    key: KeyColumn | None,
    dtype: FloatType = "float32",
    about: Mapping[str, str],
    more: Mapping[str, object] | None = None,
) -> Any:  # noqa: ANN401  pyarrow's schema
    """Return the schema of a file of embeddings.

    Args:
        width: D.
        key: "name" for strings, "id" for int64 numbers; None for rows without ids.
        dtype: type of the numbers.
        about: maker of the rows.
        more: further entries of the metadata, of values that JSON has.

    Raises:
        ImportError: pyarrow is not installed.
        ValueError: dtype is another.
    """
    if dtype not in get_args(FloatType):
        raise ValueError(f"dtype is {quoted_value(dtype)}, wanted 'float32' or 'float16'")
    pa = pyarrow("a file of embeddings")
    numbers = pa.float16() if dtype == "float16" else pa.float32()
    keys = {None: [], "name": [pa.field(NAME, pa.string())], "id": [pa.field(ID, pa.int64())]}
    fields = [
        *keys[key],
        pa.field(EMBEDDING, pa.list_(numbers, width)),
        pa.field(LOST, pa.string()),
    ]
    record = {**(more or {}), "format": FORMAT, "about": dict(about)}
    return pa.schema(fields, metadata={METADATA: json.dumps(record).encode("ascii")})


def about_in(schema: Any) -> dict[str, str]:  # noqa: ANN401  pyarrow's schema
    """Return the maker of the rows of a file; empty for a file of another program.

    Raises:
        DatasetError: the metadata is of a later format, or damaged.
    """
    content = (schema.metadata or {}).get(METADATA)
    if content is None:
        return {}
    try:
        record = json.loads(content)
        found, about = record["format"], record["about"]
    except (ValueError, LookupError, TypeError, RecursionError) as error:
        raise DatasetError(
            f"the metadata is damaged: twinlens is {quoted(repr(content))}, wanted a JSON object "
            "with format and about; write the file again"
        ) from error
    if found != FORMAT:
        raise DatasetError(
            f"the metadata has format {quoted(repr(found))}, this twinlens reads {FORMAT}; "
            "read it with the twinlens that wrote it"
        )
    strings = isinstance(about, dict) and all(isinstance(value, str) for value in about.values())
    if not strings:
        raise DatasetError(
            f"the metadata is damaged: about is {quoted(repr(about))}, wanted an object of "
            "strings; write the file again"
        )
    return dict(about)


def stored_name(name: str) -> str:
    r"""Return a name as it is stored: a character that UTF-8 does not have is escaped.

    >>> stored_name("caf\udce9.jpg") == "caf\\udce9.jpg"
    True
    """
    return name.encode("utf-8", "backslashreplace").decode("utf-8")
