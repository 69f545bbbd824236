"""Tables of the caller's own library: columns taken out, and answers given back in kind.

pandas, polars and pyarrow are never imported here: a table of one of them proves that it is there.
"""

import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from twinlens.batch import Batch

Numbers: TypeAlias = NDArray[np.float32] | NDArray[np.int64]
Table: TypeAlias = Any
"""A pandas or polars DataFrame, a pyarrow Table, or a dict of columns."""
Answer: TypeAlias = Any
"""What the caller's library makes of it; a numpy array where there is none."""

PROBABILITIES: Final = ("no match", "match")
"""The columns of two probabilities: one name for all libraries, as polars takes no numbers."""
MATCH: Final = "match"

T = TypeVar("T")

ONE: Final = (str, bytes, bytearray, memoryview, os.PathLike, Image.Image)
"""Types of a single image or text, although some can be iterated over."""


def column(table: object, name: str) -> list[Any]:
    """One column of a pandas, polars or pyarrow table, or of a dict, as a list.

    Raises:
        TypeError: this is no table.
        ValueError: there is no such column.
    """
    names = getattr(table, "column_names", None) or getattr(table, "columns", None)
    if isinstance(table, Mapping):
        names = list(table)
    elif names is None or not hasattr(table, "__getitem__"):
        raise TypeError(
            f"a {type(table).__name__} is no table; give a dict of columns or a DataFrame"
        )
    if (found := list(names).count(name)) != 1:
        known = ", ".join(str(column) for column in names)
        problem = f"are {found} columns" if found else "is no column"
        raise ValueError(f"there {problem} {name!r}; the columns are {known}")
    return plain(table[name])


def several(values: Batch[T], name: str) -> Iterable[T]:
    """The values, unless they are a single one, which would pass for its letters or rows.

    Raises:
        TypeError: it is a single one.
    """
    shape: tuple[int, ...] = getattr(values, "shape", ())
    picture = len(shape) == 2 or (len(shape) == 3 and shape[2] in (1, 3, 4))
    if picture or isinstance(values, ONE) or hasattr(values, "read"):
        raise TypeError(f"{name} is one {type(values).__name__}; give a list of them")
    # The scalars of pyarrow are its own.
    return plain(values) if hasattr(values, "to_pylist") else values


def plain(values: Iterable[Any]) -> list[Any]:
    """A column as a list of Python's own values.

    Raises:
        TypeError: it is one string, not a column of them.
    """
    if isinstance(values, (str, bytes)):
        raise TypeError(f"the column is one {type(values).__name__}; give a list of them")
    # The scalars of pyarrow are its own.
    return list(getattr(values, "to_pylist", lambda: values)())


def answer(like: object, numbers: Numbers, names: Sequence[str]) -> Answer:
    """Numbers [B] or [B, C] as a column or a table of the library that `like` is from.

    pandas keeps its index; of a dict, a list or an array come numpy's arrays.

    Args:
        like: a table or a column of B rows.
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
    return polars.DataFrame({name: numbers[:, place] for place, name in enumerate(names)})


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
