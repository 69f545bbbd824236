"""The towers of a model of open_clip: configurations of known transformers, or traced."""

from dataclasses import dataclass
from typing import Any

import torch

from twinlens_export.architecture import F32, TracedImageTower, TracedTextTower
from twinlens_export.checkpoints.open_clip.config import OpenClipConfig
from twinlens_export.checkpoints.state_dict import EncoderConfig
from twinlens_export.checkpoints.tracing import as_module, traced_image_tower, traced_text_tower


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenClipTowers:
    """Reader of the towers of a loaded model."""

    model: Any
    config: OpenClipConfig

    def image(self) -> EncoderConfig | TracedImageTower:
        """Return the image tower.

        Raises:
            CheckpointError: it cannot be traced.
        """
        if self.config.image is not None:
            return self.config.image
        if self.config.image_kind == "timm_siglip":
            return _timm_encoder(self.model.visual.trunk)
        preprocessing = self.config.preprocessing
        return traced_image_tower(
            as_module(lambda pixels: _features(self.model.visual(pixels)), self.model.visual),
            side_px=preprocessing.image.side_px,
            normalization=preprocessing.normalization,
        )

    def text(self, context: int) -> EncoderConfig | TracedTextTower:
        """Return the text tower.

        Raises:
            CheckpointError: it cannot be traced.
        """
        if self.config.text is not None:
            return self.config.text
        tower = getattr(self.model, "text", None)
        module = (
            as_module(self.model.encode_text, self.model)
            if tower is None
            else as_module(lambda ids: _features(tower(ids)), tower)
        )
        return traced_text_tower(
            module, context=context, vocabulary=self._vocabulary(tower), trim=self.config.trim
        )

    def context(self, tokenizer: Any) -> int:  # noqa: ANN401  open_clip ships no types
        """Return the most tokens of a text."""
        if self.config.text_model is not None:
            return int(tokenizer.context_length)
        positions = getattr(self.model, "text", self.model).positional_embedding
        # A class token of CoCa's has the last position.
        return min(len(positions), int(tokenizer.context_length))

    def weights(self) -> dict[str, F32]:
        """Return the state dict, with layer scales folded into the maps before them.

        Newer models keep their text tower under `text.`, older ones at the top.
        """
        state = {
            name.removeprefix("text."): tensor.numpy(force=True)
            for name, tensor in self.model.state_dict().items()
        }
        for name in [name for name in state if name.endswith((".ls_1.gamma", ".ls_2.gamma"))]:
            scale, block = state.pop(name), name.rsplit(".", 2)[0]
            map_ = f"{block}.{'attn.out_proj' if '.ls_1.' in name else 'mlp.c_proj'}"
            state[f"{map_}.weight"] = state[f"{map_}.weight"] * scale[:, None]
            state[f"{map_}.bias"] = state[f"{map_}.bias"] * scale
        return state

    def _vocabulary(self, tower: Any) -> int:  # noqa: ANN401  open_clip's
        if self.config.text_model is not None:
            return int(tower.transformer.get_input_embeddings().num_embeddings)
        return int((tower or self.model).token_embedding.num_embeddings)


def _features(output: Any) -> torch.Tensor:  # noqa: ANN401
    """Return the features alone: towers of CoCa return their tokens beside them."""
    features: torch.Tensor = output[0] if isinstance(output, tuple) else output
    return features


def _timm_encoder(trunk: Any) -> EncoderConfig:  # noqa: ANN401
    """Return the configuration of timm's image tower, for which its name stands in the file."""
    block = trunk.blocks[0]
    # In timm the tanh form is a class of its own, or an option of torch's.
    tanh = "tanh" in f"{type(block.mlp.act).__name__} {block.mlp.act}".lower()
    return EncoderConfig(
        layers=len(trunk.blocks),
        heads=block.attn.num_heads,
        activation="gelu_tanh" if tanh else "gelu",
        epsilon=trunk.norm.eps,
    )
