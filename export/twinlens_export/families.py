"""The families of checkpoints: what each calls the parts of its towers."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from twinlens_export.anatomy import (
    ACTIVATIONS,
    F32,
    Activation,
    Encoder,
    ImageTower,
    Layer,
    Linear,
    Norm,
    Pixels,
    TextTower,
)
from twinlens_export.errors import CheckpointError

LEGACY_END_ID: Final = 2
"""A wrong id that configurations older than transformers 4.31 hold; there the largest id ends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerNames:
    """Names of one layer's parts, below the layer's own name."""

    attention_norm: str = "layer_norm1"
    query: str = "self_attn.q_proj"
    key: str = "self_attn.k_proj"
    value: str = "self_attn.v_proj"
    mixed: str = "self_attn.out_proj"
    mlp_norm: str = "layer_norm2"
    widen: str = "mlp.fc1"
    narrow: str = "mlp.fc2"


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageNames:
    """Names of an image tower's parts."""

    patches: str
    class_embedding: str
    positions: str
    input_norm: str
    layers: str
    output_norm: str
    projection: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TextNames:
    """Names of a text tower's parts."""

    tokens: str
    positions: str
    layers: str
    output_norm: str
    projection: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """What tells one family of checkpoints from another."""

    name: str
    model: str
    """The class in transformers."""
    layer: LayerNames
    image: ImageNames
    text: TextNames


FAMILIES: Final[Mapping[str, Family]] = {
    "clip": Family(
        name="clip",
        model="CLIPModel",
        layer=LayerNames(),
        image=ImageNames(
            patches="vision_model.embeddings.patch_embedding.weight",
            class_embedding="vision_model.embeddings.class_embedding",
            positions="vision_model.embeddings.position_embedding.weight",
            input_norm="vision_model.pre_layrnorm",
            layers="vision_model.encoder.layers",
            output_norm="vision_model.post_layernorm",
            projection="visual_projection",
        ),
        text=TextNames(
            tokens="text_model.embeddings.token_embedding.weight",
            positions="text_model.embeddings.position_embedding.weight",
            layers="text_model.encoder.layers",
            output_norm="text_model.final_layer_norm",
            projection="text_projection",
        ),
    ),
}
"""By the `model_type` of config.json."""


def family_of(model_type: str) -> Family:
    """The family of a checkpoint.

    Raises:
        CheckpointError: it is not supported; the message says which are.
    """
    try:
        return FAMILIES[model_type]
    except KeyError:
        raise CheckpointError(
            f"the checkpoint is a {model_type!r}, which is not supported; "
            f"give one whose config.json has model_type {' or '.join(FAMILIES)}"
        ) from None


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """A state dict, read part by part under its family's names."""

    family: Family
    weights: Mapping[str, F32]

    def image_tower(self, config: Any, *, side_px: int, pixels: Pixels) -> ImageTower:  # noqa: ANN401
        """The image tower; `config` is the vision half of the checkpoint's configuration."""
        names = self.family.image
        return ImageTower(
            side_px=side_px,
            pixels=pixels,
            patches=self._array(names.patches),
            class_embedding=self._array(names.class_embedding),
            positions=self._array(names.positions),
            input_norm=self._norm(names.input_norm, config),
            encoder=self._encoder(names.layers, config),
            output_norm=self._norm(names.output_norm, config),
            projection=self._linear(names.projection),
        )

    def text_tower(self, config: Any) -> TextTower:  # noqa: ANN401
        """The text tower; `config` is the text half of the checkpoint's configuration."""
        names = self.family.text
        return TextTower(
            tokens=self._array(names.tokens),
            positions=self._array(names.positions),
            end_id=None if config.eos_token_id == LEGACY_END_ID else config.eos_token_id,
            encoder=self._encoder(names.layers, config),
            output_norm=self._norm(names.output_norm, config),
            projection=self._linear(names.projection),
        )

    def _encoder(self, name: str, config: Any) -> Encoder:  # noqa: ANN401
        layers = range(config.num_hidden_layers)
        return Encoder(
            layers=tuple(self._layer(f"{name}.{n}", config) for n in layers),
            heads=config.num_attention_heads,
            activation=_activation(config.hidden_act),
        )

    def _layer(self, name: str, config: Any) -> Layer:  # noqa: ANN401
        names = self.family.layer
        return Layer(
            attention_norm=self._norm(f"{name}.{names.attention_norm}", config),
            query=self._linear(f"{name}.{names.query}"),
            key=self._linear(f"{name}.{names.key}"),
            value=self._linear(f"{name}.{names.value}"),
            mixed=self._linear(f"{name}.{names.mixed}"),
            mlp_norm=self._norm(f"{name}.{names.mlp_norm}", config),
            widen=self._linear(f"{name}.{names.widen}"),
            narrow=self._linear(f"{name}.{names.narrow}"),
        )

    def _norm(self, name: str, config: Any) -> Norm:  # noqa: ANN401
        return Norm(
            scale=self._array(f"{name}.weight"),
            bias=self._array(f"{name}.bias"),
            epsilon=config.layer_norm_eps,
        )

    def _linear(self, name: str) -> Linear:
        return Linear(weight=self._array(f"{name}.weight"), bias=self.weights.get(f"{name}.bias"))

    def _array(self, name: str) -> F32:
        try:
            return self.weights[name]
        except KeyError:
            raise CheckpointError(
                f"the checkpoint has no weight {name}; "
                f"give one that transformers' {self.family.model} saved"
            ) from None


def _activation(name: str) -> Activation:
    for known in ACTIVATIONS:
        if name == known:
            return known
    raise CheckpointError(
        f"the checkpoint's activation is {name!r}, which is not supported; "
        f"supported are {' and '.join(ACTIVATIONS)}"
    )
