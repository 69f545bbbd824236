"""The demo model: transformers' CLIP with OpenAI's conventions, small enough to ship."""

from pathlib import Path

import torch
from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel, CLIPTokenizerFast

from twinlens_demo.training.tokenizer import VOCABULARY

WIDTH = 192
HEADS = 3
IMAGE_LAYERS = 6
TEXT_LAYERS = 3
SIDE_PX = 64
PATCH_PX = 8
CONTEXT = 32


def new_model() -> CLIPModel:
    """Return an untrained model as OpenAI's: quick_gelu, eos pooling, special tokens last."""
    torch.manual_seed(0)
    shared = {"hidden_size": WIDTH, "intermediate_size": 4 * WIDTH, "num_attention_heads": HEADS}
    return CLIPModel(
        CLIPConfig(
            projection_dim=WIDTH,
            text_config={
                **shared,
                "num_hidden_layers": TEXT_LAYERS,
                "vocab_size": VOCABULARY,
                "max_position_embeddings": CONTEXT,
                "bos_token_id": VOCABULARY - 2,
                "eos_token_id": VOCABULARY - 1,
                "pad_token_id": VOCABULARY - 1,
                "projection_dim": WIDTH,
            },
            vision_config={
                **shared,
                "num_hidden_layers": IMAGE_LAYERS,
                "image_size": SIDE_PX,
                "patch_size": PATCH_PX,
                "projection_dim": WIDTH,
            },
        )
    )


def save(model: CLIPModel, folder: Path) -> None:
    """Write the checkpoint beside its tokenizer, as for transformers' loaders."""
    model.save_pretrained(folder)
    CLIPImageProcessor(
        size={"shortest_edge": SIDE_PX}, crop_size={"height": SIDE_PX, "width": SIDE_PX}
    ).save_pretrained(folder)
    CLIPTokenizerFast(
        tokenizer_file=str(folder / "tokenizer.json"), model_max_length=CONTEXT
    ).save_pretrained(folder)
