"""The anatomy of a tower: its weights by what they do, whatever its family calls them."""

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

F32: TypeAlias = NDArray[np.float32]
F64: TypeAlias = NDArray[np.float64]

Activation = Literal["quick_gelu", "gelu", "gelu_tanh"]
ACTIVATIONS: Final[tuple[Activation, ...]] = get_args(Activation)


@dataclass(frozen=True, slots=True, kw_only=True)
class Linear:
    """x @ weight.T + bias: the layout of torch."""

    weight: F32
    """[out, in]"""
    bias: F32 | None
    """[out]"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Norm:
    """A layer norm over the last axis."""

    scale: F32
    bias: F32
    epsilon: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """One transformer layer: attention, then two linear maps, each behind its norm."""

    attention_norm: Norm
    query: Linear
    key: Linear
    value: Linear
    mixed: Linear
    """What is applied to the heads' joined answers."""
    mlp_norm: Norm
    widen: Linear
    narrow: Linear


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoder:
    """A stack of layers of one shape."""

    layers: tuple[Layer, ...]
    heads: int
    activation: Activation

    def __post_init__(self) -> None:
        if not self.layers:
            raise ValueError("an encoder needs at least one layer")
        if self.width % self.heads:
            raise ValueError(f"{self.heads} heads do not divide a width of {self.width}")

    @property
    def width(self) -> int:
        """Width of a token inside the tower."""
        return int(self.layers[0].query.weight.shape[1])


@dataclass(frozen=True, slots=True, kw_only=True)
class Pixels:
    """How bytes become the numbers that a checkpoint was trained on: (x * factor - mean) / std."""

    factor: float
    mean: tuple[float, ...]
    """One for each of red, green and blue, as is std."""
    std: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageTower:
    """A vision transformer that is pooled at its class token."""

    side_px: int
    pixels: Pixels
    patches: F32
    """[width, 3, patch, patch], the convolution that reads a patch."""
    class_embedding: F32
    positions: F32
    """[1 + patches, width], the class token's first."""
    input_norm: Norm
    encoder: Encoder
    output_norm: Norm
    projection: Linear

    @property
    def patch_px(self) -> int:
        """Side of a patch."""
        return int(self.patches.shape[3])


@dataclass(frozen=True, slots=True, kw_only=True)
class TextTower:
    """A causal transformer that is pooled at the end token."""

    tokens: F32
    """[vocabulary, width]"""
    positions: F32
    """[context, width]"""
    end_id: int | None
    """Pooled at its first occurrence; None: at the first occurrence of the largest id."""
    encoder: Encoder
    output_norm: Norm
    projection: Linear

    @property
    def context(self) -> int:
        """The most tokens a text may have."""
        return int(self.positions.shape[0])
