"""CLIP checkpoints of random weights in the sizes of the demo model and of ViT-B/32."""

import json
from dataclasses import dataclass
from pathlib import Path

import torch
from tiny_checkpoints import save_clip_processor, transformer
from tiny_tokenizers import byte_vocabulary
from transformers import CLIPConfig, CLIPModel


@dataclass(frozen=True, kw_only=True)
class ClipShape:
    """The shape of one checkpoint; heads are 64 wide."""

    activation: str = "quick_gelu"
    width: int = 192
    image_layers: int = 6
    text_width: int = 192
    text_layers: int = 3
    side_px: int = 64
    patch_px: int = 8
    vocabulary: int = 3072
    context: int = 32
    legacy_end: bool = False
    """True for a configuration as before transformers 4.31: its end id 2 is wrong."""

    def config(self) -> CLIPConfig:
        """Return the configuration of transformers."""
        text = {
            "vocab_size": self.vocabulary,
            "max_position_embeddings": self.context,
            "bos_token_id": self.vocabulary - 2,
            "eos_token_id": 2 if self.legacy_end else self.vocabulary - 1,
            "pad_token_id": 1 if self.legacy_end else self.vocabulary - 1,
            **self._tower(self.text_width, self.text_layers),
        }
        vision = {
            "image_size": self.side_px,
            "patch_size": self.patch_px,
            **self._tower(self.width, self.image_layers),
        }
        return CLIPConfig(projection_dim=self.text_width, text_config=text, vision_config=vision)

    def _tower(self, width: int, layers: int) -> dict[str, object]:
        return transformer(width, width // 64, layers, self.activation, mlp_ratio=4)


SHAPES = {
    "demo": ClipShape(),
    "demo-gelu-legacy": ClipShape(activation="gelu", legacy_end=True),
    "b32": ClipShape(
        width=768, image_layers=2, text_width=512, text_layers=2, side_px=224, patch_px=32,
        vocabulary=49408, context=77,
    ),
    "b32-gelu-legacy": ClipShape(
        activation="gelu", legacy_end=True, width=768, image_layers=1, text_width=512,
        text_layers=2, side_px=224, patch_px=32, vocabulary=49408, context=77,
    ),
}  # fmt: skip


def save_random_clip(folder: Path, shape: ClipShape) -> None:
    """Save a checkpoint as transformers would, its tokenizer in the two old files."""
    torch.manual_seed(0)
    model = CLIPModel(shape.config())
    with torch.no_grad():
        for key, tensor in model.named_parameters():
            if key.endswith("bias"):  # else they are zeros, and prove nothing
                tensor.normal_(std=0.02)
    model.save_pretrained(folder)
    save_clip_processor(folder, shape.side_px)
    vocabulary = byte_vocabulary()
    vocabulary["<|startoftext|>"] = shape.vocabulary - 2
    vocabulary["<|endoftext|>"] = shape.vocabulary - 1
    (folder / "vocab.json").write_text(json.dumps(vocabulary))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    (folder / "tokenizer_config.json").write_text(
        json.dumps({"tokenizer_class": "CLIPTokenizer", "model_max_length": shape.context})
    )
