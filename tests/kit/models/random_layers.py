"""Layers of random weights, as a checkpoint would give them."""

import numpy as np
from numpy.typing import NDArray

from twinlens_export.architecture import Linear, Norm


def normal(random: np.random.Generator, *shape: int) -> NDArray[np.float32]:
    """Return float32 numbers of the normal distribution."""
    return random.normal(size=shape).astype(np.float32)


def linear(random: np.random.Generator, inputs: int, outputs: int, *, bias: bool = True) -> Linear:
    """Return a layer whose outputs have about the variance of its inputs."""
    weight = normal(random, outputs, inputs) / np.float32(inputs**0.5)
    return Linear(weight=weight, bias=normal(random, outputs) if bias else None)


def norm(random: np.random.Generator, width: int) -> Norm:
    """Return a norm with scales near 1."""
    return Norm(scale=1 + normal(random, width) / 4, bias=normal(random, width), epsilon=1e-5)
