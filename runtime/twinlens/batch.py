"""Batch: several items in order, and to a type checker never a single string."""

from collections.abc import Iterator
from typing import Any, Protocol, TypeAlias, TypeVar

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Items(Protocol[T_co]):
    """Sized collection of items; `str` is none, since it is asked for nothing but a str."""

    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[T_co]: ...
    def __contains__(self, item: object, /) -> bool: ...


class TableColumn(Protocol):
    """Column of a pandas or polars table."""

    def __iter__(self) -> Iterator[Any]: ...
    def to_list(self) -> list[Any]:
        """Return the values."""
        ...


Batch: TypeAlias = Items[T] | Iterator[T] | TableColumn
"""B items: a list, an array, a column of a table, or an iterator, which is read as it goes.

A str is an iterable of strs: by `Iterable[str]` a type checker passes `embed_texts("a dog")` and
`stream_images("photos")`, which are a TypeError at run time. Of an object that has nothing but
`__iter__` give `iter(object)`.
"""
