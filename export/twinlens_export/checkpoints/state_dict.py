"""The state dict of a checkpoint, taken apart into towers under its family's names."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from twinlens_export.architecture import (
    F32,
    Activation,
    AttentionMask,
    AttentionPool,
    Encoder,
    ImagePooling,
    ImageTower,
    Layer,
    Linear,
    Norm,
    PixelNormalization,
    TextTower,
)
from twinlens_export.checkpoints.families.family import Family, LayerNames, PoolNames, TextNames
from twinlens_export.errors import CheckpointError


@dataclass(frozen=True, slots=True, kw_only=True)
class EncoderConfig:
    """The configuration of one tower's encoder; everything else follows from the weights."""

    layers: int
    heads: int
    activation: Activation
    epsilon: float
    """Of its norms."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StateDict:
    """Weights by their names in the family."""

    family: Family
    weights: Mapping[str, F32]
    """Split by `split_fused`."""

    def image_tower(
        self,
        config: EncoderConfig,
        *,
        side_px: int,
        normalization: PixelNormalization,
        pooling: ImagePooling = "class",
    ) -> ImageTower:
        """Return the image tower.

        Raises:
            CheckpointError: the checkpoint lacks a weight, or its images are not RGB.
        """
        names = self.family.image
        reader = _TowerReader(state=self, config=config)
        positions = self.array(names.position_embedding)
        patches = self.array(f"{names.patch_embedding}.weight")
        if patches.shape[1] != 3:
            raise CheckpointError(
                f"the image tower takes {patches.shape[1]} channels, wanted 3 (red, green, blue); "
                "give a checkpoint trained on RGB images"
            )
        return ImageTower(
            side_px=side_px,
            normalization=normalization,
            patch_embedding=patches,
            patch_bias=self.weights.get(f"{names.patch_embedding}.bias"),
            class_embedding=self.weights.get(names.class_embedding),
            # timm keeps a batch dim of one.
            position_embedding=positions.reshape(-1, positions.shape[-1]),
            input_norm=reader.optional_norm(names.input_norm),
            encoder=reader.encoder(names.layers, names.layer),
            output_norm=reader.norm(names.output_norm),
            pool=reader.pool(names.pool) if names.pool else None,
            pooling=pooling,
            projection=self.optional_linear(names.projection),
        )

    def text_tower(
        self,
        config: EncoderConfig,
        *,
        pad_id: int,
        end_id: int | None,
        padded_by_end: bool = False,
    ) -> TextTower:
        """Return the text tower."""
        names = self.family.text
        reader = _TowerReader(state=self, config=config)
        positions = self.array(names.position_embedding)[names.position_offset :]
        if names.token_type_embedding:
            positions = positions + self.array(names.token_type_embedding)[0]
        return TextTower(
            token_embedding=self.array(names.token_embedding),
            position_embedding=positions,
            pad_id=pad_id,
            padded_by_end=padded_by_end,
            end_id=end_id,
            pooling=names.pooling,
            input_norm=reader.optional_norm(names.input_norm),
            encoder=reader.encoder(
                names.layers,
                names.layer,
                attention_mask=names.attention_mask,
                post_norm=names.post_norm,
            ),
            output_norm=reader.optional_norm(names.output_norm),
            projection=self._text_projection(names),
        )

    def _text_projection(self, names: TextNames) -> Linear | None:
        """Return the projection, together with the linear map before it if there is one."""
        last = self.optional_linear(names.projection)
        if not names.before_projection or last is None:
            return last
        first = self.linear(names.before_projection)
        weight, shift = last.weight.astype(np.float64), np.zeros(len(last.weight))
        if first.bias is not None:
            shift += weight @ first.bias.astype(np.float64)
        if last.bias is not None:
            shift += last.bias
        return Linear(
            weight=(weight @ first.weight.astype(np.float64)).astype(np.float32),
            bias=shift.astype(np.float32),
        )

    def linear(self, name: str) -> Linear:
        """Return a linear map. A bare matrix is one too: towers multiply by it from the right."""
        if name in self.weights:
            return Linear(weight=self.weights[name].T, bias=None)
        return Linear(weight=self.array(f"{name}.weight"), bias=self.weights.get(f"{name}.bias"))

    def optional_linear(self, name: str) -> Linear | None:
        """Return a linear map, or None if the checkpoint lacks it."""
        there = name in self.weights or f"{name}.weight" in self.weights
        return self.linear(name) if there else None

    def array(self, name: str) -> F32:
        """Return one array.

        Raises:
            CheckpointError: the checkpoint lacks it.
        """
        try:
            return self.weights[name]
        except KeyError:
            raise CheckpointError(
                f"the checkpoint has no weight {name}; give a whole {self.family.model}"
            ) from None


@dataclass(frozen=True, slots=True, kw_only=True)
class _TowerReader:
    """Reader of the weights of one tower of known configuration."""

    state: StateDict
    config: EncoderConfig

    def encoder(
        self,
        name: str,
        names: LayerNames,
        *,
        attention_mask: AttentionMask = "full",
        post_norm: bool = False,
    ) -> Encoder:
        layers = range(self.config.layers)
        return Encoder(
            layers=tuple(self.layer(f"{name}.{number}", names) for number in layers),
            heads=self.config.heads,
            activation=self.config.activation,
            attention_mask=attention_mask,
            post_norm=post_norm,
        )

    def layer(self, name: str, names: LayerNames) -> Layer:
        linear = self.state.linear
        return Layer(
            attention_norm=self.norm(f"{name}.{names.attention_norm}"),
            query=linear(f"{name}.{names.query}"),
            key=linear(f"{name}.{names.key}"),
            value=linear(f"{name}.{names.value}"),
            out_proj=linear(f"{name}.{names.out_proj}"),
            mlp_norm=self.norm(f"{name}.{names.mlp_norm}"),
            fc1=linear(f"{name}.{names.fc1}"),
            fc2=linear(f"{name}.{names.fc2}"),
        )

    def pool(self, names: PoolNames) -> AttentionPool:
        linear = self.state.linear
        return AttentionPool(
            query=_projected(linear(names.query), self.state.array(names.probe)),
            key=linear(names.key),
            value=linear(names.value),
            out_proj=linear(names.out_proj),
            mlp_norm=self.norm(names.mlp_norm),
            fc1=linear(names.fc1),
            fc2=linear(names.fc2),
        )

    def norm(self, name: str) -> Norm:
        return Norm(
            scale=self.state.array(f"{name}.weight"),
            bias=self.state.array(f"{name}.bias"),
            epsilon=self.config.epsilon,
        )

    def optional_norm(self, name: str) -> Norm | None:
        return self.norm(name) if f"{name}.weight" in self.state.weights else None


def split_fused(weights: Mapping[str, F32], family: Family) -> dict[str, F32]:
    """Return the same weights, each fused linear map as a view of every part."""
    result: dict[str, F32] = {}
    for name, array in weights.items():
        whole = next((ending for ending in family.fused if name.endswith(ending)), None)
        if whole is None:
            result[name] = array
            continue
        stem, endings = name.removesuffix(whole), family.fused[whole]
        parts = np.split(array, len(endings))
        result |= {f"{stem}{ending}": part for ending, part in zip(endings, parts, strict=True)}
    return result


def _projected(linear: Linear, rows: F32) -> F32:
    """Apply a linear map to a lone row: [out]."""
    row = linear.weight.astype(np.float64) @ rows.astype(np.float64).reshape(-1)
    return (row if linear.bias is None else row + linear.bias).astype(np.float32)
