"""Checkpoints of CLIP, SigLIP and Chinese-CLIP of random weights, each as transformers saves it."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import transformers
from transformers import PretrainedConfig

from bench.parity.checkpoints.small_tokenizers import END, START, save_tokenizer
from bench.parity.checkpoints.varied_weights import with_varied_weights


def transformer(
    width: int, heads: int, layers: int, activation: str = "quick_gelu", wide: int = 0
) -> dict[str, Any]:
    return {
        "hidden_size": width,
        "num_attention_heads": heads,
        "num_hidden_layers": layers,
        "intermediate_size": wide or 4 * width,
        "hidden_act": activation,
    }


def clip(
    image: dict[str, Any], text: dict[str, Any], *, side: int, patch: int, width: int
) -> PretrainedConfig:
    marks = {"bos_token_id": START, "eos_token_id": END, "pad_token_id": END}
    return transformers.CLIPConfig(
        projection_dim=width,
        vision_config=image | {"image_size": side, "patch_size": patch},
        text_config=text | marks,
    )


def siglip(
    image: dict[str, Any], text: dict[str, Any], *, side: int, patch: int, words: int
) -> PretrainedConfig:
    marks = {"bos_token_id": START, "eos_token_id": END, "pad_token_id": END}
    return transformers.SiglipConfig(
        vision_config=image | {"image_size": side, "patch_size": patch},
        text_config=text | {"vocab_size": words} | marks,
    )


B, L, H = transformer(768, 12, 12), transformer(1024, 16, 24), transformer(1280, 16, 32, "gelu")
BASE, SO = "gelu_pytorch_tanh", transformer(1152, 16, 27, "gelu_pytorch_tanh", 4304)
SIGLIP_B = transformer(768, 12, 12, BASE)
TEXT, TEXT_L = transformer(512, 8, 12), transformer(768, 12, 12)
BERT = transformer(768, 12, 12, "gelu")

TRANSFORMERS: Final[Mapping[str, Callable[[], PretrainedConfig]]] = {
    "CLIP ViT-B/32": lambda: clip(B, TEXT, side=224, patch=32, width=512),
    "CLIP ViT-B/16": lambda: clip(B, TEXT, side=224, patch=16, width=512),
    "CLIP ViT-L/14": lambda: clip(L, TEXT_L, side=224, patch=14, width=768),
    "CLIP ViT-L/14-336": lambda: clip(L, TEXT_L, side=336, patch=14, width=768),
    "CLIP ViT-H/14 (gelu)": lambda: clip(
        H, transformer(1024, 16, 24, "gelu"), side=224, patch=14, width=1024
    ),
    "MetaCLIP 2 ViT-B/32": lambda: transformers.MetaClip2Config(
        vision_config=B,
        text_config=TEXT | {"bos_token_id": START, "eos_token_id": END, "pad_token_id": 1},
    ),
    "SigLIP B/16-224": lambda: siglip(SIGLIP_B, SIGLIP_B, side=224, patch=16, words=32000),
    "SigLIP 2 B/16-256": lambda: siglip(SIGLIP_B, SIGLIP_B, side=256, patch=16, words=256000),
    "SigLIP so400m/14-384": lambda: siglip(SO, SO, side=384, patch=14, words=32000),
    "Chinese-CLIP ViT-B/16": lambda: transformers.ChineseCLIPConfig(
        vision_config=B | {"patch_size": 16}, text_config=BERT | {"vocab_size": 21128}
    ),
}


def save_transformers(config: PretrainedConfig, folder: Path) -> None:
    kind = {"clip": "CLIP", "metaclip_2": "MetaClip2", "siglip": "Siglip"}
    name = kind.get(config.model_type, "ChineseCLIP")
    with_varied_weights(getattr(transformers, f"{name}Model")(config)).save_pretrained(folder)
    side = config.vision_config.image_size
    square = {"height": side, "width": side}
    if name == "Siglip":
        transformers.SiglipImageProcessor(size=square).save_pretrained(folder)
    else:
        transformers.CLIPImageProcessor(
            size={"shortest_edge": side}, crop_size=square
        ).save_pretrained(folder)
    if name == "ChineseCLIP":  # trained on texts of 52 tokens, and it does not see its padding
        save_tokenizer(folder, 52, pad_id=0)
    else:
        save_tokenizer(folder, 77)
