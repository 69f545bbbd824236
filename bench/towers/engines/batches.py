"""Batches of at most 32, the size at which the peers' own loops cut a large one."""

from collections.abc import Sequence
from typing import Final, TypeVar

T = TypeVar("T")

AT_ONCE: Final = 32


def batches(items: Sequence[T], size: int = AT_ONCE) -> list[Sequence[T]]:
    return [items[start : start + size] for start in range(0, len(items), size)]
