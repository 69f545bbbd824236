"""The learner: the CLIP model with one prototype a concept, its losses and its optimizers."""

import math
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from twinlens_demo.training.batches import Batch
from twinlens_demo.training.model import WIDTH, new_model
from twinlens_demo.training.schedule import RATE

F32 = NDArray[np.float32]

WEIGHT_DECAY = 0.05
SMOOTHING = 0.05
"""Label smoothing of the images' prototypes."""


class Learner(nn.Module):
    """The CLIP model, and one prototype a trained concept, dropped after the training."""

    def __init__(self, anchors: F32) -> None:
        super().__init__()
        self.clip = new_model()
        self.clip.set_attn_implementation("eager")  # bmm beats the fused kernel at 17 to 65 tokens
        basis = np.linalg.svd(anchors - anchors.mean(axis=0), full_matrices=False)[2][:WIDTH]
        start = (anchors - anchors.mean(axis=0)) @ basis.T
        self.prototypes = nn.Parameter(functional.normalize(torch.from_numpy(start), dim=-1))
        self.image_scale = nn.Parameter(torch.tensor(math.log(16.0)))
        self.text_scale = nn.Parameter(torch.tensor(math.log(16.0)))

    def embed_images(self, pixels: Tensor) -> Tensor:
        """Return unit rows [B, D] of normalised pixels [B, 3, S, S], S a multiple of the patch."""
        pooled = self.clip.vision_model(pixel_values=pixels, interpolate_pos_encoding=True)
        rows = self.clip.visual_projection(pooled.pooler_output)
        return functional.normalize(rows.float(), dim=-1)

    def embed_texts(self, ids: Tensor) -> Tensor:
        """Return unit rows [B, D] of ids [B, T]."""
        pooled = self.clip.text_model(input_ids=ids)
        rows = self.clip.text_projection(pooled.pooler_output)
        return functional.normalize(rows.float(), dim=-1)

    def loss(self, images: Tensor, texts: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Return the three losses of one batch, and the top-1 accuracy of its images."""
        prototypes = functional.normalize(self.prototypes, dim=-1)
        by_image = self.image_scale.exp().clamp(max=60) * images @ prototypes.T
        by_text = self.text_scale.exp().clamp(max=60) * texts @ prototypes.T
        naming = functional.cross_entropy(by_image, batch.numbers, label_smoothing=SMOOTHING)
        meaning = functional.cross_entropy(by_text, batch.targets)
        between = self.clip.logit_scale.exp().clamp(max=100) * texts @ images.T
        relevant = batch.truths[:, batch.numbers]
        contrast = 0.5 * (
            multi_label_cross_entropy(between, relevant)
            + multi_label_cross_entropy(between.T, relevant.T)
        )
        hits = (by_image.argmax(dim=1) == batch.numbers).float().mean()
        return {"naming": naming, "meaning": meaning, "contrast": contrast, "hits": hits}


def multi_label_cross_entropy(logits: Tensor, relevant: Tensor) -> Tensor:
    """Return the cross-entropy over rows of several relevant items; rows of none do not count."""
    counts = relevant.sum(dim=1)
    kept = counts > 0
    return functional.cross_entropy(logits[kept], relevant[kept] / counts[kept, None])


def optimizers(learner: Learner) -> list[torch.optim.Optimizer]:
    """Return Muon for the matrices inside the layers, AdamW for everything else."""
    inner: list[nn.Parameter] = []
    matrices: list[nn.Parameter] = []
    rest: list[nn.Parameter] = []
    for name, parameter in learner.named_parameters():
        if "encoder.layers" in name and parameter.ndim == 2:
            inner.append(parameter)
        elif parameter.ndim >= 2 and "embedding" not in name:
            matrices.append(parameter)
        else:
            rest.append(parameter)
    groups: list[dict[str, Any]] = [
        {"params": matrices, "weight_decay": WEIGHT_DECAY},
        {"params": rest},
    ]
    return [
        torch.optim.Muon(inner, lr=RATE, weight_decay=WEIGHT_DECAY, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(
            groups,
            lr=RATE,
            betas=(0.9, 0.98),
            eps=1e-6,
            weight_decay=0.0,
            fused=True,
        ),
    ]
