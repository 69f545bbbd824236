"""The reference model: the checkpoint in torch, on the inputs of the exported towers."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from twinlens_export.architecture import F32, PixelNormalization
from twinlens_export.checkpoints.checkpoint import Checkpoint

BATCH = 16


def image_rows(checkpoint: Checkpoint, images: NDArray[np.uint8]) -> F32:
    """Return unit rows [B, D] of pixels [B, S, S, 3], normalised in floats as by the processor."""
    normalization = checkpoint.image.normalization

    def embed(batch: NDArray[Any]) -> torch.Tensor:
        return checkpoint.model.image_features(_normalised(batch, normalization))

    return _unit_rows(embed, images)


def text_rows(checkpoint: Checkpoint, ids: NDArray[np.int64]) -> F32:
    """Return unit rows [B, D] of ids [B, T]."""

    def embed(batch: NDArray[Any]) -> torch.Tensor:
        return checkpoint.model.text_features(torch.from_numpy(batch))

    return _unit_rows(embed, ids)


def _normalised(batch: NDArray[Any], normalization: PixelNormalization) -> torch.Tensor:
    pixels = torch.from_numpy(batch).permute(0, 3, 1, 2).float() * normalization.factor
    mean, std = (
        torch.tensor(part).view(3, 1, 1) for part in (normalization.mean, normalization.std)
    )
    return (pixels - mean) / std


def _unit_rows(embed: Callable[[NDArray[Any]], torch.Tensor], inputs: NDArray[Any]) -> F32:
    with torch.inference_mode():
        rows = torch.cat([embed(batch) for batch in _batches(inputs)])
        unit: F32 = torch.nn.functional.normalize(rows, dim=-1).numpy()
        return unit


def _batches(inputs: NDArray[Any]) -> Iterator[NDArray[Any]]:
    for start in range(0, len(inputs), BATCH):
        yield inputs[start : start + BATCH]
