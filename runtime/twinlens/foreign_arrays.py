"""Arrays and columns of other libraries as numpy arrays: torch, pandas, polars, pyarrow, ml_dtypes.

None of them is imported here. A missing value is an error: each library would fill it otherwise.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from twinlens.errors import quoted

Array = NDArray[Any]


def as_array(values: object, name: str) -> Array:
    """Return values as a numpy array: a column of vectors [D] as [N, D], any other as numpy does.

    Args:
        values: array, tensor, column, or nested list.
        name: name of the values in errors.

    Raises:
        TypeError: the library of the values cannot make an array of them.
        ValueError: a value is missing, or vectors differ in width.
    """
    if type(values) is np.ndarray:
        return _plain(values, name)
    reader = _READERS.get(library_of(values), _nested)
    try:
        found = reader(values, name)
    except _ColumnError:
        raise
    except Exception as error:  # each library has errors of its own
        raise TypeError(
            f"{name} of type {type(values).__name__} cannot be read as an array "
            f"({type(error).__name__}: {quoted(str(error))}); give a numpy array"
        ) from error
    return _plain(found, name)


def library_of(values: object) -> str:
    """Return the name of the library of a tensor, a column or an array, or an empty string."""
    for kind in type(values).__mro__:
        library = kind.__module__.partition(".")[0]
        if library in _READERS:
            return library
    return ""


class _ColumnError(ValueError):
    """Error of a missing value, or of vectors of different widths."""


def _torch(tensor: Any, name: str) -> Array:  # noqa: ANN401
    del name
    plain = tensor.detach().cpu()
    # numpy has no bfloat16 and no float8; float32 holds all of both.
    narrow = plain.is_floating_point() and str(plain.dtype) not in _TORCH_FLOATS
    array: Array = (plain.float() if narrow else plain).resolve_conj().resolve_neg().numpy()
    return array


def _pandas(column: Any, name: str) -> Array:  # noqa: ANN401
    array: Array = np.asarray(column.to_numpy() if hasattr(column, "to_numpy") else column)
    if array.ndim == 1 and array.dtype.kind not in "fc":
        _require_present(np.asarray(column.isna()), name)
    return array


def _polars(column: Any, name: str) -> Array:  # noqa: ANN401
    if hasattr(column, "is_null") and column.null_count():
        _require_present(column.is_null().to_numpy(), name)
    array: Array = column.to_numpy()
    return array


def _pyarrow(column: Any, name: str) -> Array:  # noqa: ANN401
    if not hasattr(column, "null_count"):  # a table
        return np.asarray(column)
    if hasattr(column, "combine_chunks"):
        column = column.combine_chunks()
    column = getattr(column, "storage", column)
    if column.null_count:
        _require_present(np.array([not value.is_valid for value in column]), name)
    if not hasattr(column, "value_lengths") and not hasattr(column.type, "list_size"):
        return _arrow_numbers(column)
    n_rows, inner = len(column), column.flatten()
    if inner.null_count:
        at = int(np.argmin(np.asarray(inner.is_valid()))) * n_rows // len(inner)
        raise _ColumnError(
            f"{name} have no number near row {at}, wanted finite ones; leave the row out"
        )
    width = getattr(column.type, "list_size", len(inner) // max(1, n_rows))
    if hasattr(column, "value_lengths"):
        widths = _arrow_numbers(column.value_lengths()).tolist()
        _require_one_width([(width,) for width in widths], name)
    return _arrow_numbers(inner).reshape(n_rows, width)


def _arrow_numbers(column: Any) -> Array:  # noqa: ANN401
    numbers: Array = column.to_numpy(zero_copy_only=False)
    return numbers


def _numpy(array: Any, name: str) -> Array:  # noqa: ANN401
    if isinstance(array, np.ma.MaskedArray) and np.ma.is_masked(array):
        missing = np.ma.getmaskarray(array).reshape(len(array), -1)
        _require_present(np.logical_or.reduce(missing, axis=1), name)
    return np.asarray(array)


def _nested(values: object, name: str) -> Array:
    if isinstance(values, Sequence) and not isinstance(values, (str, bytes)) and len(values):
        if library_of(values[0]) not in ("", "numpy"):
            return _stacked([as_array(value, name) for value in values], name)
        try:
            return np.asarray(values)
        except ValueError:
            if isinstance(values[0], (Sequence, np.ndarray)):
                _require_one_width([_shape(value) for value in values], name)
            raise
    return np.asarray(values)


def _plain(array: Array, name: str) -> Array:
    """Stack a column of vectors, and widen floats that numpy does not know."""
    if array.dtype == object and array.ndim == 1 and len(array) and _is_vector(array):
        rows = [
            row if type(row) is np.ndarray else as_array(row, name)
            for row in array
            if row is not None
        ]
        if len(rows) < len(array):
            _require_present(np.array([row is None for row in array]), name)
        array = _stacked(rows, name)
    if array.dtype.kind == "V" and array.dtype.names is None and "float" in array.dtype.name:
        return array.astype(np.float32)
    return array


def _is_vector(column: Array) -> bool:
    first = next((value for value in column if value is not None), None)
    return hasattr(first, "__len__") and not isinstance(first, (str, bytes, Mapping))


def _stacked(rows: Sequence[Array], name: str) -> Array:
    _require_one_width([row.shape for row in rows], name)
    return np.stack(rows)


def _shape(value: object) -> tuple[int, ...]:
    try:
        return np.asarray(value).shape
    except (TypeError, ValueError):
        return ()


def _require_present(missing: NDArray[np.bool_], name: str) -> None:
    if missing.any():
        raise _ColumnError(
            f"{name} has no value in row {int(missing.argmax())}, wanted one in each; "
            "fill it, or leave the row out"
        )


def _require_one_width(shapes: Sequence[tuple[int, ...]], name: str) -> None:
    for row, shape in enumerate(shapes):
        if shape != shapes[0]:
            raise _ColumnError(
                f"{name} have shape {shape} in row {row}, but {shapes[0]} in row 0; "
                "embed all with the same model"
            )


_TORCH_FLOATS: Final = ("torch.float16", "torch.float32", "torch.float64")
_READERS: Final[Mapping[str, Callable[[Any, str], Array]]] = {
    "numpy": _numpy,
    "pandas": _pandas,
    "polars": _polars,
    "pyarrow": _pyarrow,
    "torch": _torch,
}
