"""The scale and the bias of a checkpoint against one call of its whole model."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import transformers
from PIL import Image

from twinlens_export.checkpoints.checkpoint import read_checkpoint


def test_scores_are_those_of_a_call_of_the_whole_model(
    family: str,
    family_folder: Callable[[str], Path],
    photos: list[Image.Image],
    tmp_path: Path,
) -> None:
    folder = Path(shutil.copytree(family_folder(family), tmp_path / "folder"))
    model = transformers.AutoModel.from_pretrained(folder).eval()
    with torch.no_grad():
        model.logit_scale.fill_(5)  # its exponential is above 100, where some models stop
    model.save_pretrained(folder)
    processor = transformers.AutoImageProcessor.from_pretrained(folder)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    ids = tokenizer(["a dog", "x"], padding="max_length", truncation=True, return_tensors="pt")
    with torch.inference_mode():
        output = model(
            input_ids=ids["input_ids"],
            attention_mask=ids.get("attention_mask"),
            **processor(photos[:3], return_tensors="pt"),
        )
    checkpoint = read_checkpoint(str(folder))
    cosines = (output.image_embeds @ output.text_embeds.T).numpy()
    scores = checkpoint.native_scale * cosines + (checkpoint.native_bias or 0)
    np.testing.assert_allclose(scores, output.logits_per_image.numpy(), rtol=1e-5)
    assert (checkpoint.native_bias is not None) == family.startswith("siglip")
