"""The reference model: the checkpoint in torch, on the inputs of the exported towers."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch.overrides import TorchFunctionMode

from twinlens_export.architecture import F32, PixelNormalization
from twinlens_export.checkpoints.checkpoint import Checkpoint
from twinlens_export.checkpoints.loaded import ReferenceModel

BATCH: Final = 4
"""An image of ViT-L/14 takes 0.99 s of one core in batches of 4 and 1.17 in batches of 16, whose
tokens leave the cache (EPYC with AVX-512)."""
ENOUGH: Final = 16e9
"""Products that fill a batch: an image of ViT-L/14 takes 0.94 s alone, and not 0.99."""


Embedded = Callable[[NDArray[Any]], None]
"""Callee that is told of each batch when it is embedded."""


def ignored(_batch: NDArray[Any]) -> None:
    """Take no notice."""


class OneDnnLinear(TorchFunctionMode):
    """Float32 linear maps of torch by oneDNN in place of MKL: the same sums in another order.

    On processors of AMD, MKL leaves half of their vectors unused: an image of ViT-L/14 takes 1.75 s
    of one core with it and 0.99 so.
    """

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401  as torch has it
        """See `torch.overrides`."""
        if func is torch.nn.functional.linear and not kwargs and _takes(*args):
            tokens, weight, bias = (*args, None)[:3]
            return _one_dnn()(tokens, weight, bias, "none", [], "")
        return func(*args, **(kwargs or {}))


def image_rows(
    checkpoint: Checkpoint, images: NDArray[np.uint8], *, embedded: Embedded = ignored
) -> F32:
    """Return unit rows [B, D] of pixels [B, S, S, 3], normalised in floats as by the processor."""
    model, normalization = _model_of(checkpoint), checkpoint.image_tower.normalization

    def embed(batch: NDArray[Any]) -> torch.Tensor:
        return model.image_features(_normalised(batch, normalization))

    most = int(ENOUGH / max(1.0, checkpoint.image_tower.products))
    return _unit_rows(embed, images, embedded, batch=min(BATCH, max(1, most)))


def text_rows(
    checkpoint: Checkpoint, ids: NDArray[np.int64], *, embedded: Embedded = ignored
) -> F32:
    """Return unit rows [B, D] of ids [B, T]."""
    model = _model_of(checkpoint)

    def embed(batch: NDArray[Any]) -> torch.Tensor:
        return model.text_features(torch.from_numpy(batch))

    return _unit_rows(embed, ids, embedded)


def _model_of(checkpoint: Checkpoint) -> ReferenceModel:
    assert checkpoint.model is not None, "the reference model was freed"
    return checkpoint.model


def _one_dnn() -> Any:  # noqa: ANN401  an operator of torch, None where this torch has none
    if not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return None
    return getattr(torch.ops.mkldnn, "_linear_pointwise", None)


def _takes(tokens: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None = None) -> bool:
    """Return True if oneDNN takes the operands of a linear map, and is there."""
    dense = tokens.is_cpu and tokens.dim() > 1 and tokens.numel() > 0
    parts = (tokens, weight) if bias is None else (tokens, weight, bias)
    return dense and all(part.dtype == torch.float32 for part in parts) and _one_dnn() is not None


def _normalised(batch: NDArray[Any], normalization: PixelNormalization) -> torch.Tensor:
    pixels = torch.from_numpy(batch).permute(0, 3, 1, 2).float() * normalization.factor
    mean, std = (
        torch.tensor(part).view(3, 1, 1) for part in (normalization.mean, normalization.std)
    )
    return (pixels - mean) / std


def _unit_rows(
    embed: Callable[[NDArray[Any]], torch.Tensor],
    inputs: NDArray[Any],
    embedded: Embedded,
    *,
    batch: int = BATCH,
) -> F32:
    rows = []
    with torch.inference_mode(), OneDnnLinear():
        for start in range(0, len(inputs), batch):
            items = inputs[start : start + batch]
            rows.append(embed(items))
            embedded(items)
        unit: F32 = torch.nn.functional.normalize(torch.cat(rows), dim=-1).numpy()
        return unit
