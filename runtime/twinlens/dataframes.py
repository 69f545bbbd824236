"""Tables of pandas, polars and pyarrow: columns as input, results in the caller's library.

None of the three is imported here: a table of one of them proves that it is imported already.
"""

import math
import os
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import GeneratorType
from typing import Any, Final, Literal, TypeAlias, TypeVar, cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from twinlens.batch import Batch

Numbers: TypeAlias = NDArray[np.float32] | NDArray[np.int64]
Table: TypeAlias = Any
"""A pandas or polars DataFrame, a pyarrow Table, or a dict of columns."""
Answer: TypeAlias = Any
"""Column or table of the caller's library; a numpy array for other inputs."""

PROBABILITIES: Final = ("no match", "match")
"""Column names of two probabilities, the same for all libraries; polars takes no numbers."""
MATCH: Final = "match"

_VALUES_LOOKED_AT: Final = 64
"""Values of a column that tell its modality: one path may be wrong, and one text a file's name."""
_PICTURE: Final = re.compile(r"\w\.(?:jpe?g|png|webp|gif|bmp|tiff?|avif)$", re.IGNORECASE)
"""End of a string that names a picture."""

T = TypeVar("T")

ONE: Final = (str, bytes, bytearray, memoryview, os.PathLike, Image.Image)
"""Types of a single image or text, although some are iterable."""


def column(table: object, name: str) -> list[Any]:
    """Return one column of a pandas, polars or pyarrow table, or of a dict, as a list.

    Raises:
        TypeError: the input is not a table, or its column is a single value.
        ValueError: the column is missing, or there twice.
    """
    names = column_names(table)
    if (found := names.count(name)) != 1:
        known = ", ".join(str(column) for column in names)
        problem = f"are {found} columns" if found else "is no column"
        raise ValueError(f"there {problem} {name!r}; the columns are {known}")
    values = cast("Any", table)[name]
    if isinstance(values, ONE):
        raise TypeError(f"column {name!r} is one {type(values).__name__}; give a list of them")
    return plain(values)


def column_names(table: object) -> list[Any]:
    """Return the names of the columns of a pandas, polars or pyarrow table, or of a dict.

    Raises:
        TypeError: the input is not a table.
    """
    if isinstance(table, Mapping):
        return list(table)
    names = getattr(table, "column_names", None) or getattr(table, "columns", None)
    if names is None or not hasattr(table, "__getitem__"):
        raise TypeError(
            f"a {type(table).__name__} is no table; give a dict of columns or a DataFrame"
        )
    return list(names)


def is_table(value: object) -> bool:
    """Return True for a pandas, polars or pyarrow table, or a dict."""
    if isinstance(value, Mapping):
        return True
    names = hasattr(value, "column_names") or hasattr(value, "columns")
    return names and hasattr(value, "__getitem__")


def modality_of(values: Sequence[object]) -> Literal["image", "text"]:
    """Return the modality of a column: images, if most of its first values are no strings or files.

    A string with the suffix of a picture counts as a file too, even where there is none: its words
    are no text, and a path that is wrong becomes an error. Missing values do not count; a column
    without a value is one of texts.
    """
    first = [value for value in values[:_VALUES_LOOKED_AT] if not is_missing(value)]
    images = sum(not isinstance(value, str) or names_file(value) for value in first)
    return "image" if 2 * images > len(first) else "text"


def names_file(text: str) -> bool:
    """Return True if a string is the path of a file, or ends as that of a picture."""
    if _PICTURE.search(text):
        return True
    try:
        # os.path: Path raises where a name is too long.
        return os.path.isfile(text)  # noqa: PTH113
    except ValueError:  # a NUL
        return False


def is_missing(value: object) -> bool:
    """Return True for None, NaN, and the missing values of pandas."""
    # pandas is not imported here: its NA is known by the name of its type.
    if value is None or type(value).__name__ in {"NAType", "NaTType"}:
        return True
    return isinstance(value, (float, np.floating)) and math.isnan(value)


def several(values: Batch[T], name: str) -> Iterable[T]:
    """Return several values; refuse a single one, which would pass as its characters or rows.

    Refused too is what has no order, as a set, and what would pass as its keys or column names, as
    a dict or a table.

    Raises:
        TypeError: the input is a single image or text, or no sequence of them.
        ValueError: the input is a generator that was read before.
    """
    kind = type(values).__name__
    if cure := _cure_of_collection(values):
        raise TypeError(f"{name} is a {kind}{cure}")
    if isinstance(values, GeneratorType) and values.gi_frame is None:
        raise ValueError(f"{name} is a generator that was read before; give a list, or a new one")
    if isinstance(values, ONE) or hasattr(values, "read") or _is_image(values):
        raise TypeError(f"{name} is one {kind}; give a list of them")
    try:
        iter(values)
    except TypeError as error:
        raise TypeError(f"{name} is a {kind}, not several; give a list of them") from error
    # pyarrow has its own scalars.
    return plain(values) if hasattr(values, "to_pylist") else values


def _is_image(values: object) -> bool:
    shape: tuple[int, ...] = getattr(values, "shape", ())
    return len(shape) == 2 or (len(shape) == 3 and shape[2] in (1, 3, 4))


def _cure_of_collection(values: object) -> str:
    """Return the reason and the cure for a collection whose items are not what they seem, or ""."""
    shape: tuple[int, ...] = getattr(values, "shape", ())
    if len(shape) == 3 and shape[0] in (3, 4) and not _is_image(values):
        return (
            f" of shape [{shape[0]}, H, W]; of one image give [H, W, {shape[0]}], "
            "of gray ones a list of [H, W]"
        )
    if isinstance(values, Mapping):
        return ", which is read by its keys; give the list of its values, or of one column"
    if isinstance(values, (set, frozenset)):
        return ", which has no order; give a list"
    if hasattr(values, "columns") or hasattr(values, "column_names"):
        return ", a table; give one of its columns"
    return ""


def plain(values: Iterable[Any]) -> list[Any]:
    """Convert a column to a list of plain Python values.

    Raises:
        TypeError: the input is one string, not a column.
    """
    if isinstance(values, (str, bytes)):
        raise TypeError(f"the column is one {type(values).__name__}; give a list of them")
    # pyarrow has its own scalars.
    return list(getattr(values, "to_pylist", lambda: values)())


def answer(like: object, numbers: Numbers, names: Sequence[str]) -> Answer:
    """Convert numbers [B] or [B, C] to a column or a table of the library of `like`.

    pandas keeps its index; dicts, lists and arrays give numpy arrays.

    Args:
        like: table or column of B rows.
        numbers: [B], or [B, C] for a table.
        names: one name, or C of them.
    """
    for kind in type(like).__mro__:
        library = kind.__module__.partition(".")[0]
        if library in _MAKERS:
            return _MAKERS[library](like, numbers, names)
    return numbers


def _pandas(like: Any, numbers: Numbers, names: Sequence[str]) -> Answer:  # noqa: ANN401
    pandas = sys.modules["pandas"]
    if numbers.ndim == 1:
        return pandas.Series(numbers, index=like.index, name=names[0])
    return pandas.DataFrame(numbers, index=like.index, columns=list(names))


def _polars(_like: object, numbers: Numbers, names: Sequence[str]) -> Answer:
    polars = sys.modules["polars"]
    if numbers.ndim == 1:
        return polars.Series(names[0], numbers)
    return polars.DataFrame({name: numbers[:, n] for n, name in enumerate(names)})


def _pyarrow(_like: object, numbers: Numbers, names: Sequence[str]) -> Answer:
    pyarrow = sys.modules["pyarrow"]
    if numbers.ndim == 1:
        return pyarrow.array(numbers)
    return pyarrow.table({name: pyarrow.array(numbers[:, n]) for n, name in enumerate(names)})


_MAKERS: Final[Mapping[str, Callable[[Any, Numbers, Sequence[str]], Answer]]] = {
    "pandas": _pandas,
    "polars": _polars,
    "pyarrow": _pyarrow,
}
