"""Tiny checkpoints of every family, of random weights, as transformers saves them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import transformers
from tiny_tokenizers import (
    bert_tokenizer,
    clip_tokenizer,
    siglip2_tokenizer,
    siglip_tokenizer,
    xlm_roberta_tokenizer,
)

CONTEXT = 16
CORPUS = [
    "a photo of a dog",
    "two dogs, running on the beach!",
    "a red car (in the rain)",
    "一只狗在海滩上",
    "what is it? it is a drawing.",
]
LETTERS = sorted({letter for text in CORPUS for letter in text.lower() if letter.strip()})
PATCHES_OF_8 = {"image_size": 32, "patch_size": 8}


def transformer(
    width: int, heads: int, layers: int, activation: str, *, mlp_ratio: int = 3
) -> dict[str, Any]:
    """Return the fields of one tower's configuration."""
    return {
        "hidden_size": width,
        "intermediate_size": mlp_ratio * width,
        "num_attention_heads": heads,
        "num_hidden_layers": layers,
        "hidden_act": activation,
    }


def save_clip_processor(folder: Path, side: int) -> None:
    """Write CLIP's preprocessor_config.json."""
    transformers.CLIPImageProcessor(
        size={"shortest_edge": side}, crop_size={"height": side, "width": side}
    ).save_pretrained(folder)


def randomised(model: Any) -> Any:  # noqa: ANN401
    """Randomise biases, norms and attention.

    Zeros and ones would prove nothing, and neither would the small weights that transformers
    begins with: all scores of their attention are nearly 0, so that heads and masks matter little.
    """
    with torch.no_grad():
        for name, tensor in model.named_parameters():
            if tensor.ndim == 2 and ("attn" in name or "attention" in name):
                tensor.normal_(std=tensor.shape[1] ** -0.5)
            elif name.endswith("bias") and tensor.ndim:
                tensor.add_(torch.randn_like(tensor) * 0.05)
            elif "norm" in name.lower() or "ln_" in name:
                tensor.mul_(1 + 0.2 * torch.randn_like(tensor))
    return model


def clip(folder: Path) -> None:
    """Save a CLIP as LAION's: gelu, and heads not 64 wide, as in ViT-H/14."""
    tokenizer = clip_tokenizer(context=CONTEXT)
    text = {
        "vocab_size": len(tokenizer),
        "max_position_embeddings": CONTEXT,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": 1,
    }
    config = transformers.CLIPConfig(
        projection_dim=48,
        text_config=text | transformer(64, 1, 2, "gelu"),
        vision_config=PATCHES_OF_8 | transformer(160, 2, 2, "gelu"),
    )
    randomised(transformers.CLIPModel(config)).save_pretrained(folder)
    save_clip_processor(folder, 32)
    tokenizer.save_pretrained(folder)


def metaclip_2(folder: Path) -> None:
    """Save CLIP's towers with XLM-RoBERTa's tokenizer: here the end id 2 is the true one."""
    tokenizer = xlm_roberta_tokenizer(LETTERS, context=CONTEXT)
    text = {"vocab_size": len(tokenizer), "max_position_embeddings": CONTEXT}
    special = {"bos_token_id": 0, "pad_token_id": 1, "eos_token_id": 2}
    config = transformers.MetaClip2Config(
        projection_dim=64,
        text_config=text | special | transformer(64, 2, 2, "quick_gelu"),
        vision_config=PATCHES_OF_8 | transformer(128, 2, 2, "quick_gelu"),
    )
    randomised(transformers.MetaClip2Model(config)).save_pretrained(folder)
    save_clip_processor(folder, 32)
    tokenizer.save_pretrained(folder)


def siglip(folder: Path) -> None:
    """Save a SigLIP of 30 pixels, not a multiple of its patches, as 384 pixels in patches of 14."""
    _save_siglip_model(folder, 110, image_size=30, patch_size=8)
    transformers.SiglipImageProcessor(size={"height": 30, "width": 30}).save_pretrained(folder)
    siglip_tokenizer(folder, CORPUS, vocabulary=80, context=CONTEXT).save_pretrained(folder)


def siglip2(folder: Path) -> None:
    """Save a SigLIP 2 of a fixed resolution: SigLIP's towers, Gemma's tokenizer."""
    _save_siglip_model(folder, 420, image_size=32, patch_size=16)
    transformers.SiglipImageProcessor(size={"height": 32, "width": 32}, resample=2).save_pretrained(
        folder
    )
    siglip2_tokenizer(CORPUS, vocabulary=400, context=CONTEXT).save_pretrained(folder)


def chinese_clip(folder: Path) -> None:
    """Save a Chinese-CLIP: its text tower is a BERT."""
    tokenizer = bert_tokenizer(CORPUS, context=CONTEXT)
    text = {"vocab_size": len(tokenizer), "max_position_embeddings": 2 * CONTEXT}
    config = transformers.ChineseCLIPConfig(
        projection_dim=96,
        text_config=text | transformer(128, 2, 3, "gelu"),
        vision_config=PATCHES_OF_8 | transformer(128, 2, 2, "quick_gelu"),
    )
    randomised(transformers.ChineseCLIPModel(config)).save_pretrained(folder)
    square = {"height": 32, "width": 32}
    transformers.ChineseCLIPImageProcessor(
        size=square, crop_size=square, do_center_crop=False
    ).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def altclip(folder: Path) -> None:
    """Save an AltCLIP: its text tower is an XLM-RoBERTa, whose first position is the third."""
    tokenizer = xlm_roberta_tokenizer(LETTERS, context=CONTEXT)
    text = {"vocab_size": len(tokenizer), "max_position_embeddings": CONTEXT + 2, "project_dim": 80}
    text |= {"bos_token_id": 0, "pad_token_id": 1, "eos_token_id": 2}
    config = transformers.AltCLIPConfig(
        projection_dim=48,
        text_config=text | transformer(64, 2, 2, "gelu"),
        vision_config=PATCHES_OF_8 | transformer(128, 2, 2, "quick_gelu"),
    )
    randomised(transformers.AltCLIPModel(config)).save_pretrained(folder)
    save_clip_processor(folder, 32)
    tokenizer.save_pretrained(folder)


def _save_siglip_model(folder: Path, vocabulary: int, **vision: int) -> None:
    text = {"vocab_size": vocabulary, "max_position_embeddings": CONTEXT, "projection_size": 128}
    text |= {"pad_token_id": 1, "bos_token_id": 1, "eos_token_id": 1}
    config = transformers.SiglipConfig(
        text_config=text | transformer(64, 1, 2, "gelu_pytorch_tanh"),
        vision_config=vision | transformer(128, 2, 2, "gelu_pytorch_tanh"),
    )
    model = randomised(transformers.SiglipModel(config))
    with torch.no_grad():
        model.logit_scale.fill_(4.5)
        model.logit_bias.fill_(-12.5)
    model.save_pretrained(folder)


MAKERS: dict[str, Callable[[Path], None]] = {
    "clip": clip,
    "metaclip_2": metaclip_2,
    "siglip": siglip,
    "siglip2": siglip2,
    "chinese_clip": chinese_clip,
    "altclip": altclip,
}


def save_tiny_checkpoint(family: str, folder: Path) -> None:
    """Save the checkpoint of a family, the same in every run."""
    torch.manual_seed(0)
    MAKERS[family](folder)
