"""The parts of a checkpoint: its state dict, taken apart under its family's names."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from twinlens_export.architecture import (
    F32,
    Activation,
    Encoder,
    ImageTower,
    Layer,
    Linear,
    Norm,
    PixelNormalization,
    Pool,
    Sight,
    TextTower,
)
from twinlens_export.checkpoints.families import Family, LayerNames, PoolNames
from twinlens_export.errors import CheckpointError


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What a configuration says of one tower and its weights do not."""

    layers: int
    heads: int
    activation: Activation
    epsilon: float
    """Of its norms."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """A state dict, read part by part."""

    family: Family
    weights: Mapping[str, F32]
    """As `unfused` leaves them."""

    def image_tower(self, shape: Shape, *, side_px: int, pixels: PixelNormalization) -> ImageTower:
        """The image tower."""
        names = self.family.image
        reader = _Reader(parts=self, shape=shape)
        positions = self.array(names.positions)
        return ImageTower(
            side_px=side_px,
            pixels=pixels,
            patches=self.array(f"{names.patches}.weight"),
            patches_bias=self.weights.get(f"{names.patches}.bias"),
            class_embedding=self.weights.get(names.class_embedding),
            # timm keeps a batch of one.
            positions=positions.reshape(-1, positions.shape[-1]),
            input_norm=reader.norm_if_there(names.input_norm),
            encoder=reader.encoder(names.layers, names.layer),
            output_norm=reader.norm(names.output_norm),
            pool=reader.pool(names.pool) if names.pool else None,
            projection=self.linear_if_there(names.projection),
        )

    def text_tower(self, shape: Shape, *, pad_id: int, end_id: int | None) -> TextTower:
        """The text tower."""
        names = self.family.text
        reader = _Reader(parts=self, shape=shape)
        positions = self.array(names.positions)
        if names.types:
            positions = positions + self.array(names.types)[0]
        return TextTower(
            tokens=self.array(names.tokens),
            positions=positions,
            pad_id=pad_id,
            end_id=end_id,
            place=names.place,
            input_norm=reader.norm_if_there(names.input_norm),
            encoder=reader.encoder(
                names.layers, names.layer, sight=names.sight, norm_last=names.norm_last
            ),
            output_norm=reader.norm_if_there(names.output_norm),
            projection=self.linear_if_there(names.projection),
        )

    def linear(self, name: str) -> Linear:
        """A linear map. A bare matrix is one too: towers multiply by it from the right."""
        if name in self.weights:
            return Linear(weight=self.weights[name].T, bias=None)
        return Linear(weight=self.array(f"{name}.weight"), bias=self.weights.get(f"{name}.bias"))

    def linear_if_there(self, name: str) -> Linear | None:
        """A linear map that not all checkpoints have."""
        there = name in self.weights or f"{name}.weight" in self.weights
        return self.linear(name) if there else None

    def array(self, name: str) -> F32:
        """One array of the state dict.

        Raises:
            CheckpointError: it is not there.
        """
        try:
            return self.weights[name]
        except KeyError:
            raise CheckpointError(
                f"the checkpoint has no weight {name}; give a whole {self.family.model}"
            ) from None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reader:
    """Reads the parts of one tower, whose shape it knows."""

    parts: Parts
    shape: Shape

    def encoder(
        self, name: str, names: LayerNames, *, sight: Sight = "all", norm_last: bool = False
    ) -> Encoder:
        layers = range(self.shape.layers)
        return Encoder(
            layers=tuple(self.layer(f"{name}.{number}", names) for number in layers),
            heads=self.shape.heads,
            activation=self.shape.activation,
            sight=sight,
            norm_last=norm_last,
        )

    def layer(self, name: str, names: LayerNames) -> Layer:
        linear = self.parts.linear
        return Layer(
            attention_norm=self.norm(f"{name}.{names.attention_norm}"),
            query=linear(f"{name}.{names.query}"),
            key=linear(f"{name}.{names.key}"),
            value=linear(f"{name}.{names.value}"),
            mixed=linear(f"{name}.{names.mixed}"),
            mlp_norm=self.norm(f"{name}.{names.mlp_norm}"),
            widen=linear(f"{name}.{names.widen}"),
            narrow=linear(f"{name}.{names.narrow}"),
        )

    def pool(self, names: PoolNames) -> Pool:
        linear = self.parts.linear
        return Pool(
            query=_applied(linear(names.query), self.parts.array(names.probe)),
            key=linear(names.key),
            value=linear(names.value),
            mixed=linear(names.mixed),
            mlp_norm=self.norm(names.mlp_norm),
            widen=linear(names.widen),
            narrow=linear(names.narrow),
        )

    def norm(self, name: str) -> Norm:
        return Norm(
            scale=self.parts.array(f"{name}.weight"),
            bias=self.parts.array(f"{name}.bias"),
            epsilon=self.shape.epsilon,
        )

    def norm_if_there(self, name: str) -> Norm | None:
        return self.norm(name) if f"{name}.weight" in self.parts.weights else None


def unfused(weights: Mapping[str, F32], family: Family) -> dict[str, F32]:
    """The same weights; where several maps lie in one, a view of each."""
    apart: dict[str, F32] = {}
    for name, array in weights.items():
        whole = next((ending for ending in family.fused if name.endswith(ending)), None)
        if whole is None:
            apart[name] = array
            continue
        stem, each = name.removesuffix(whole), family.fused[whole]
        parts = np.split(array, len(each))
        apart |= {f"{stem}{ending}": part for ending, part in zip(each, parts, strict=True)}
    return apart


def _applied(linear: Linear, rows: F32) -> F32:
    """A map of the only row there is: [out]."""
    row = linear.weight.astype(np.float64) @ rows.astype(np.float64).reshape(-1)
    return (row if linear.bias is None else row + linear.bias).astype(np.float32)
