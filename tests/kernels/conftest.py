"""Matrices made to break a search."""

from collections.abc import Callable, Mapping

import numpy as np
import pytest
from numpy.typing import NDArray

F32 = NDArray[np.float32]
Matrices = Mapping[str, Callable[[np.random.Generator, tuple[int, int]], F32]]
LARGEST = np.finfo(np.float32).max


def spread(random: np.random.Generator, shape: tuple[int, int], low: int, high: int) -> F32:
    """Normal numbers, each times a power of two of its own, within float32."""
    exponents = random.integers(low, high, size=shape, endpoint=True)
    wide = np.ldexp(random.standard_normal(shape), exponents)
    return np.clip(wide, -LARGEST, LARGEST).astype(np.float32)


def near_ties(random: np.random.Generator, shape: tuple[int, int]) -> F32:
    """One row over and over, some components one ulp up or down."""
    row = random.standard_normal(shape[1]).astype(np.float32)
    steps = np.float32(np.inf) * random.choice([-1, 1], size=shape)
    nudged = np.nextafter(row, steps.astype(np.float32))
    return np.where(random.random(shape) < 0.1, nudged, row)


def ascending(random: np.random.Generator, shape: tuple[int, int]) -> F32:
    """Each row longer than the last, so that for half of all queries each beats all before it."""
    row = random.standard_normal(shape[1])
    return np.outer(np.arange(shape[0]), row).astype(np.float32)


def zero_rows(random: np.random.Generator, shape: tuple[int, int]) -> F32:
    """Normal rows, most of them zero, some of those minus zero."""
    rows = random.standard_normal(shape).astype(np.float32)
    return rows * (random.random((shape[0], 1)) < 0.2).astype(np.float32)


MATRICES: Matrices = {
    "normal": lambda random, shape: spread(random, shape, 0, 0),
    "small integers": lambda random, shape: random.integers(-1, 2, shape).astype(np.float32),
    "duplicates": lambda random, shape: np.repeat(spread(random, (1, shape[1]), 0, 0), shape[0], 0),
    "near ties": near_ties,
    "ascending": ascending,
    "zero rows": zero_rows,
    "subnormal": lambda random, shape: spread(random, shape, -149, -127),
    "tiny": lambda random, shape: spread(random, shape, -80, -60),
    "huge": lambda random, shape: spread(random, shape, 125, 128),
    "rows of any length": lambda random, shape: (
        spread(random, (shape[0], 1), -149, 127) * np.ones(shape, dtype=np.float32)
    ),
    "components of any size": lambda random, shape: spread(random, shape, -149, 127),
    "zero": lambda _, shape: np.zeros(shape, dtype=np.float32),
}


@pytest.fixture(scope="session")
def matrices() -> Matrices:
    """Float32 matrices of a shape, drawn at random, each kind adversarial in its own way."""
    return MATRICES
