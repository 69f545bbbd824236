"""Checkpoints in the shapes of published CLIPs, with random weights as hard to round as trained.

A trained CLIP has a few channels that its LayerNorms raise far above the others; int8 codes that
share one scale then have few steps left for the rest. So, in every LayerNorm before a projection,
the same OUTLIERS channels of a tower are LEAST to MOST times as large, with either sign, and the
projection's weights of them smaller by the root of that. Projections have variance 1 / inputs,
which keeps embeddings apart: two pictures have a cosine of about 0.6, as CLIP's have; transformers'
own initial weights give 0.99, and forgive nearly everything.
"""

from pathlib import Path
from typing import Final

import torch
from torch import nn
from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel

from bench.harness.clip_vocabulary import write_tokenizer
from bench.towers.inputs.shapes import Shape
from bench.towers.inputs.workspace import END, START

OUTLIERS: Final = 6
LEAST, MOST = 10.0, 20.0
SEED: Final = 2026


def write_checkpoint(shape: Shape, folder: Path) -> None:
    """Write a folder as transformers saves it, with OpenAI's vocabulary."""
    torch.manual_seed(SEED)
    model = CLIPModel(config_of(shape)).eval()
    with torch.no_grad():
        for part in model.modules():
            if isinstance(part, nn.Linear):
                part.weight.normal_(std=part.in_features**-0.5)
                if part.bias is not None:
                    part.bias.normal_(std=0.1)
        for tower in (model.vision_model, model.text_model):
            raise_outliers(tower)
    model.save_pretrained(folder)
    CLIPImageProcessor().save_pretrained(folder)
    write_tokenizer(folder, shape.context)


def raise_outliers(tower: nn.Module) -> None:
    """Spread the scales of a tower's LayerNorms, and raise the same few channels in each."""
    width = tower.config.hidden_size
    channels = torch.randperm(width)[:OUTLIERS]
    for layer in tower.encoder.layers:
        attention = layer.self_attn
        for norm, readers in (
            (layer.layer_norm1, (attention.q_proj, attention.k_proj, attention.v_proj)),
            (layer.layer_norm2, (layer.mlp.fc1,)),
        ):
            norm.weight.normal_(mean=1.0, std=0.15)
            norm.bias.normal_(std=0.1)
            sizes = torch.empty(OUTLIERS).uniform_(LEAST, MOST)
            norm.weight[channels] = sizes * torch.randn(OUTLIERS).sign()
            for reader in readers:
                reader.weight[:, channels] /= sizes.sqrt()


def config_of(shape: Shape) -> CLIPConfig:
    marks = {"bos_token_id": START, "eos_token_id": END, "pad_token_id": END}
    text = {
        "hidden_size": shape.text_width,
        "intermediate_size": 4 * shape.text_width,
        "num_attention_heads": shape.text_width // 64,
        "num_hidden_layers": shape.text_layers,
        "max_position_embeddings": shape.context,
        "projection_dim": shape.embedding,
    }
    vision = {
        "hidden_size": shape.width,
        "intermediate_size": 4 * shape.width,
        "num_attention_heads": shape.width // 64,
        "num_hidden_layers": shape.layers,
        "patch_size": shape.patch_px,
        "image_size": shape.side_px,
        "projection_dim": shape.embedding,
    }
    return CLIPConfig(
        projection_dim=shape.embedding, text_config=text | marks, vision_config=vision
    )
