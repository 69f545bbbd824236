"""The anatomy of a tower: its weights by what they do, whatever its family calls them."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

F32: TypeAlias = NDArray[np.float32]
F64: TypeAlias = NDArray[np.float64]

Activation = Literal["quick_gelu", "gelu", "gelu_tanh"]
Sight = Literal["all", "causal", "counted"]
"""What a token sees: all tokens; itself and what stands before it; all of its text, no padding."""
Place = Literal["first", "end", "last"]
"""The token that a text is pooled at: the first; the end token; the last, padding or not."""


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
    """One transformer layer: attention, then two linear maps, each with its norm."""

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
    sight: Sight = "all"
    norm_last: bool = False
    """True as in BERT: a norm is of the sum of a block's input and its answer; False: of what goes
    into the block, and the sum is left as it is."""

    def __post_init__(self) -> None:
        if not self.layers:
            raise ValueError("an encoder needs at least one layer")
        if self.width % self.heads:
            raise ValueError(f"{self.heads} heads do not divide a width of {self.width}")

    @property
    def width(self) -> int:
        """Width of a token inside the tower."""
        return int(self.layers[0].query.weight.shape[1])

    @property
    def head_width(self) -> int:
        """Width of one head's queries, keys and values."""
        return self.width // self.heads


@dataclass(frozen=True, slots=True, kw_only=True)
class PixelNormalization:
    """How bytes become the numbers that a checkpoint was trained on: (x * factor - mean) / std."""

    factor: float
    mean: tuple[float, ...]
    """One for each of red, green and blue, as is std."""
    std: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """A pooling by attention: one query, which was learnt, asks all tokens.

    pooled = mixed(attention); pooled + narrow(widen(mlp_norm(pooled))). Heads and activation are
    the encoder's.
    """

    query: F32
    """[width], as the keys meet it: the query's own map was applied to it."""
    key: Linear
    value: Linear
    mixed: Linear
    mlp_norm: Norm
    widen: Linear
    narrow: Linear


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageTower:
    """A vision transformer that is pooled at its class token, or by attention."""

    side_px: int
    pixels: PixelNormalization
    patches: F32
    """[width, 3, patch, patch], the convolution that reads a patch."""
    patches_bias: F32 | None
    """[width]"""
    class_embedding: F32 | None
    """[width]; None: there is no class token."""
    positions: F32
    """[tokens, width], the class token's first if there is one."""
    input_norm: Norm | None
    encoder: Encoder
    output_norm: Norm
    """Of all tokens where they are pooled by attention, of the class token otherwise."""
    pool: Pool | None
    projection: Linear | None

    def __post_init__(self) -> None:
        if (self.class_embedding is None) == (self.pool is None):
            raise ValueError("an image tower has a class token or a pool, and not both")
        tokens = (self.side_px // self.patch_px) ** 2 + (self.class_embedding is not None)
        if len(self.positions) != tokens:
            raise ValueError(
                f"an image of {self.side_px} pixels has {tokens} tokens of {self.patch_px}, "
                f"but there are {len(self.positions)} positions"
            )

    @property
    def patch_px(self) -> int:
        """Side of a patch."""
        return int(self.patches.shape[3])

    @property
    def output_width(self) -> int:
        """Width D of an embedding."""
        return self.encoder.width if self.projection is None else len(self.projection.weight)


@dataclass(frozen=True, slots=True, kw_only=True)
class TextTower:
    """A transformer that is pooled at one token."""

    tokens: F32
    """[vocabulary, width]"""
    positions: F32
    """[context, width]"""
    pad_id: int
    """What fills a row behind its text; it matters where padding is not seen."""
    end_id: int | None
    """The end token is this one's first occurrence; None: that of the row's largest id."""
    place: Place
    input_norm: Norm | None
    encoder: Encoder
    output_norm: Norm | None
    projection: Linear | None

    @property
    def context(self) -> int:
        """The most tokens a text may have."""
        return int(self.positions.shape[0])

    @property
    def trims(self) -> bool:
        """Whether padding changes nothing, so that a batch may stop at its longest text."""
        return self.encoder.sight != "all"

    @property
    def output_width(self) -> int:
        """Width D of an embedding."""
        return self.encoder.width if self.projection is None else len(self.projection.weight)
