"""Mapped arrays: weights in a file without a name, in place of memory."""

import mmap
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO, Final, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

T = TypeVar("T")
Array = NDArray[Any]

ALIGNMENT_BYTES: Final = 64


def on_disk(value: T, folder: Path) -> T:
    """Return the same value, made of dataclasses and tuples, with its arrays in a file.

    The file has no name, and goes when no array is left of it. A model of a billion weights takes
    4 GB in float32, of which an export needs one array at a time: of a mapped file the system keeps
    in memory what was read last, while there is room.

    Raises:
        OSError: there is no room for them in the folder.
    """
    starts: list[int] = []
    with tempfile.TemporaryFile(dir=folder) as file:

        def write(array: Array) -> Array:
            starts.append(_append(array, cast("BinaryIO", file)))
            return array

        _with_arrays(value, write)
        file.write(b"\0")  # an empty file cannot be mapped
        file.flush()
        content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    places = iter(starts)

    def read(array: Array) -> Array:
        flat = np.frombuffer(content, array.dtype, array.size, next(places))
        return flat.reshape(array.shape)

    return _with_arrays(value, read)


def arrays_of(value: object) -> Iterator[Array]:
    """Yield the arrays of a value made of dataclasses and tuples."""
    if isinstance(value, np.ndarray):
        yield value
    elif isinstance(value, tuple):
        for part in value:
            yield from arrays_of(part)
    elif is_dataclass(value) and not isinstance(value, type):
        for member in fields(value):
            yield from arrays_of(getattr(value, member.name))


def release(arrays: Iterable[Array]) -> None:
    """Let the system take back what was read of those arrays that are mapped.

    It is read again if need be. Without this a process is as large as the files that it has read,
    although the system takes their memory for others when there is no more.
    """
    if hasattr(mmap, "MADV_DONTNEED"):
        owners = {id(owner): owner for owner in map(_owner, arrays) if owner is not None}
        for owner in owners.values():
            owner.madvise(mmap.MADV_DONTNEED)


def _owner(array: Array) -> mmap.mmap | None:
    """Return the map that an array is a view of."""
    owner: object = array
    while isinstance(owner, (np.ndarray, memoryview)):
        owner = owner.base if isinstance(owner, np.ndarray) else owner.obj
    return owner if isinstance(owner, mmap.mmap) else None


def _append(array: Array, file: BinaryIO) -> int:
    """Write an array, and return its first byte in the file."""
    file.write(bytes(-file.tell() % ALIGNMENT_BYTES))
    start = file.tell()
    file.write(np.ascontiguousarray(array).data)
    return start


def _with_arrays(value: T, change: Callable[[Array], Array]) -> T:
    """Return a copy of a value made of dataclasses and tuples, with each array changed."""
    changed: Any = value
    if isinstance(value, np.ndarray):
        changed = change(value)
    elif isinstance(value, tuple):
        changed = tuple(_with_arrays(part, change) for part in value)
    elif is_dataclass(value) and not isinstance(value, type):
        parts = {
            field.name: _with_arrays(getattr(value, field.name), change) for field in fields(value)
        }
        changed = replace(value, **parts)
    return cast("T", changed)
