"""The architecture of a tower: one set of names for the weights of all families."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from twinlens_export.graph.body import Body

F32: TypeAlias = NDArray[np.float32]
F64: TypeAlias = NDArray[np.float64]

Activation = Literal["quick_gelu", "gelu", "gelu_tanh"]
AttentionMask = Literal["full", "causal", "padding"]
"""Tokens that a token attends to: all (full); itself and those before it (causal); all but padding
(padding)."""
Pooling = Literal["first", "eos", "last", "mean"]
"""The token that is the text's embedding: the first; the end token; the last, padding or not; or
the mean of all tokens but padding (mean), for the attention mask "padding"."""
ImagePooling = Literal["class", "mean"]
"""Pooling of an image without an attention pool: its class token; the mean of its patches."""


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
    """One transformer layer: attention, then the MLP fc2(activation(fc1(x))), each with a norm."""

    attention_norm: Norm
    query: Linear
    key: Linear
    value: Linear
    out_proj: Linear
    """Output projection of the attention, applied to the concatenated heads."""
    mlp_norm: Norm
    fc1: Linear
    fc2: Linear


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoder:
    """A stack of layers of one shape."""

    layers: tuple[Layer, ...]
    heads: int
    activation: Activation
    attention_mask: AttentionMask = "full"
    post_norm: bool = False
    """Post-norm (BERT): x = norm(x + f(x)). False: pre-norm (CLIP, SigLIP): x = x + f(norm(x))."""

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
    def n_weights(self) -> int:
        """Number of weights of all linear maps: products for one token."""
        return sum(
            linear.weight.size
            for layer in self.layers
            for linear in (
                layer.query,
                layer.key,
                layer.value,
                layer.out_proj,
                layer.fc1,
                layer.fc2,
            )
        )

    @property
    def head_width(self) -> int:
        """Width of one head's queries, keys and values."""
        return self.width // self.heads


@dataclass(frozen=True, slots=True, kw_only=True)
class PixelNormalization:
    """Normalisation of uint8 pixels, as in the checkpoint's training: (x * factor - mean) / std."""

    factor: float
    mean: tuple[float, ...]
    """One for each of red, green and blue, as is std."""
    std: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AttentionPool:
    """Attention pooling: one learnt query attends to all tokens.

    pooled = out_proj(attention); pooled + fc2(activation(fc1(mlp_norm(pooled)))). Heads and
    activation are the encoder's.
    """

    query: F32
    """[width], with the query's own projection applied."""
    key: Linear
    value: Linear
    out_proj: Linear
    mlp_norm: Norm
    fc1: Linear
    fc2: Linear


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageTower:
    """A vision transformer, pooled at its class token, over its patches, or by attention."""

    side_px: int
    normalization: PixelNormalization
    patch_embedding: F32
    """[width, 3, patch, patch], the convolution that embeds a patch."""
    patch_bias: F32 | None
    """[width]"""
    class_embedding: F32 | None
    """[width]; None: there is no class token."""
    position_embedding: F32
    """[tokens, width], the class token's first if there is one."""
    input_norm: Norm | None
    encoder: Encoder
    output_norm: Norm
    """Of all tokens before attention pooling, of the pooled token otherwise."""
    pool: AttentionPool | None
    pooling: ImagePooling = "class"
    projection: Linear | None

    def __post_init__(self) -> None:
        if (self.class_embedding is None) == (self.pool is None):
            raise ValueError("an image tower has a class token or a pool, and not both")
        tokens = (self.side_px // self.patch_px) ** 2 + (self.class_embedding is not None)
        if len(self.position_embedding) != tokens:
            raise ValueError(
                f"an image of {self.side_px} pixels has {tokens} tokens of {self.patch_px}, "
                f"but there are {len(self.position_embedding)} positions"
            )

    @property
    def patch_px(self) -> int:
        """Height and width of a patch."""
        return int(self.patch_embedding.shape[3])

    @property
    def output_width(self) -> int:
        """Width D of an embedding."""
        return self.encoder.width if self.projection is None else len(self.projection.weight)

    @property
    def products(self) -> float:
        """Products of weights that an image takes."""
        return float(len(self.position_embedding) * self.encoder.n_weights)


@dataclass(frozen=True, slots=True, kw_only=True)
class TracedImageTower:
    """An image tower of any other kind, with the operations that torch's exporter found in it."""

    side_px: int
    normalization: PixelNormalization
    body: Body
    """From normalised floats [B, 3, S, S] to features [B, D]."""
    output_width: int

    @property
    def products(self) -> float:
        """Products of weights that an image takes."""
        return self.body.products


@dataclass(frozen=True, slots=True, kw_only=True)
class TextTower:
    """A text transformer, pooled at one token."""

    token_embedding: F32
    """[vocabulary, width]"""
    position_embedding: F32
    """[context, width]"""
    pad_id: int
    """Padding behind a text; it matters only for the attention mask "padding"."""
    padded_by_end: bool = False
    """True if the token that ends a text is its padding too; the first one is the end."""
    end_id: int | None
    """The end token is the first occurrence of this id; None: that of the row's largest id."""
    pooling: Pooling
    input_norm: Norm | None
    encoder: Encoder
    output_norm: Norm | None
    projection: Linear | None

    def __post_init__(self) -> None:
        if self.pooling == "mean" and self.encoder.attention_mask != "padding":
            raise ValueError("the mean of a text's tokens needs to know which are padding")

    @property
    def context(self) -> int:
        """Context length: the most tokens a text may have."""
        return int(self.position_embedding.shape[0])

    @property
    def output_width(self) -> int:
        """Width D of an embedding."""
        return self.encoder.width if self.projection is None else len(self.projection.weight)

    @property
    def vocabulary(self) -> int:
        """Number of ids that have an embedding."""
        return len(self.token_embedding)

    @property
    def products(self) -> float:
        """Products of weights that a token takes."""
        return float(self.encoder.n_weights)


@dataclass(frozen=True, slots=True, kw_only=True)
class TracedTextTower:
    """A text tower of any other kind, with the operations that torch's exporter found in it."""

    context: int
    """The most tokens that a text may have."""
    vocabulary: int
    """Number of ids that have an embedding."""
    body: Body
    """From int64 ids [B, T], padded at the end, to features [B, D]."""
    output_width: int
    products: float
    """Products of weights that a token takes."""


AnyImageTower: TypeAlias = ImageTower | TracedImageTower
AnyTextTower: TypeAlias = TextTower | TracedTextTower
AnyTower: TypeAlias = AnyImageTower | AnyTextTower
