"""The reference of an exported bundle: transformers alone, from files to unit rows."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import transformers
from numpy.typing import NDArray
from PIL import Image

from twinlens_export.checkpoints.transformers_loader import pool_first


def transformers_rows(
    folder: Path, images: Sequence[Image.Image], texts: Sequence[str]
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Embed images and texts by a checkpoint in a folder: unit rows of each."""
    model = transformers.AutoModel.from_pretrained(folder).eval()
    processor = transformers.AutoImageProcessor.from_pretrained(folder)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    pixels = processor([*images], return_tensors="pt")
    encoded = tokenizer([*texts], padding="max_length", truncation=True, return_tensors="pt")
    if isinstance(model, transformers.ChineseCLIPModel):
        # transformers 4.57 projects the pooler's output, and there is no pooler.
        pool_first(model.text_model)
    masked = isinstance(model, (transformers.ChineseCLIPModel, transformers.AltCLIPModel))
    names = ("input_ids", "attention_mask") if masked else ("input_ids",)
    with torch.inference_mode():
        features = (
            model.get_image_features(pixel_values=pixels["pixel_values"]),
            model.get_text_features(**{name: encoded[name] for name in names}),
        )
        # transformers 5 wraps the rows into an output object, 4 does not.
        rows = [getattr(output, "pooler_output", output) for output in features]
    image_rows, text_rows = (torch.nn.functional.normalize(row, dim=-1).numpy() for row in rows)
    return image_rows, text_rows
