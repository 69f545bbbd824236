"""The weights of the demo on few levels, so that the packages that hold them compress.

Each row of a linear map is rounded to multiples of its largest magnitude by `LEVELS`, column by
column, and the error of a column is carried on to those that follow, by the second moments of the
map's inputs (GPTQ, Frantar et al. 2022). Maps are rounded in the order in which they are computed,
on the inputs that the rounded ones give.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers import CLIPImageProcessor, CLIPModel, CLIPTokenizerFast

from twinlens_demo.drawings.drawing_set import DrawingSet

F64 = NDArray[np.float64]

LEVELS: Final = 16
"""Codes run from -16 to 16: 4.7 bits of entropy, where those of int8 have 7.4."""
SAMPLES: Final = 900
"""Drawings at the least, spread over all; each has 65 tokens."""
DAMPING: Final = 0.01
"""Added to the second moments, as a share of their mean: a channel of zeros has an inverse too."""


def round_weights(checkpoint: Path, drawn: DrawingSet, texts: Sequence[str]) -> None:
    """Round the weights of a checkpoint, with drawings and texts as samples of their inputs.

    The patches' map stays, as the export folds the normalisation of pixels into it, channel by
    channel. The last projections and the positions, which int8 keeps in float32, are rounded to
    bfloat16.
    """
    model = CLIPModel.from_pretrained(checkpoint).eval()
    pixels, ids = _inputs(checkpoint, drawn, texts)
    with torch.inference_mode():
        for layer in model.vision_model.encoder.layers:
            moments = _moments(layer, lambda: model.get_image_features(pixel_values=pixels))
            _round_layer(layer, moments)
        words = model.text_model.embeddings.token_embedding.weight
        words.copy_(torch.from_numpy(carried(words.double().numpy(), np.eye(words.shape[1]))))
        for layer in model.text_model.encoder.layers:
            moments = _moments(layer, lambda: model.get_text_features(input_ids=ids))
            _round_layer(layer, moments)
        for name, end in model.named_parameters():
            if name.endswith(("projection.weight", "position_embedding.weight")):
                end.copy_(end.bfloat16())
    state = {name: value.contiguous() for name, value in model.state_dict().items()}
    save_file(state, checkpoint / "model.safetensors", metadata={"format": "pt"})


def _inputs(checkpoint: Path, drawn: DrawingSet, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
    """Return pixels [B, 3, S, S] of drawings on white, and ids [N, T]."""
    premultiplied = drawn.pixels[:: len(drawn.pixels) // SAMPLES]
    on_white = premultiplied[..., :3] + (255 - premultiplied[..., 3:])
    processor = CLIPImageProcessor.from_pretrained(checkpoint)
    pixels: Tensor = processor(images=list(on_white), return_tensors="pt")["pixel_values"]
    tokenizer = CLIPTokenizerFast.from_pretrained(checkpoint)
    ids: Tensor = tokenizer(
        list(texts), padding="max_length", truncation=True, return_tensors="pt"
    )["input_ids"]
    return pixels, ids


def carried(weight: F64, moments: F64) -> F64:
    """Round the rows of a matrix [n, m] to few levels, by moments [m, m] of its inputs."""
    width = weight.shape[1]
    damped = moments + DAMPING * np.trace(moments) / width * np.eye(width)
    # The rows of the inverse's Cholesky factor are the shares that the later columns take over.
    shares = np.linalg.cholesky(np.linalg.inv(damped)).T
    largest = np.abs(weight).max(axis=1)
    steps = np.where(largest > 0, largest, 1) / LEVELS
    left, found = weight.copy(), np.empty_like(weight)
    for column in range(width):
        codes = np.rint(left[:, column] / steps).clip(-LEVELS, LEVELS)
        found[:, column] = codes * steps
        error = (left[:, column] - found[:, column]) / shares[column, column]
        left[:, column:] -= np.outer(error, shares[column, column:])
    return found


def _linears(layer: nn.Module) -> Iterator[tuple[str, nn.Linear]]:
    for name, module in layer.named_modules():
        if isinstance(module, nn.Linear):
            yield name, module


def _moments(layer: nn.Module, run: Callable[[], object]) -> dict[str, F64]:
    """Return the second moments [in, in] of the inputs of a layer's maps, by name."""
    found: dict[str, F64] = {}
    hooks = []
    for name, module in _linears(layer):

        def keep(_: nn.Module, given: tuple[Tensor, ...], name: str = name) -> None:
            rows = given[0].reshape(-1, given[0].shape[-1]).double()
            found[name] = (rows.T @ rows).numpy()

        hooks.append(module.register_forward_pre_hook(keep))
    run()
    for hook in hooks:
        hook.remove()
    return found


def _round_layer(layer: nn.Module, moments: Mapping[str, F64]) -> None:
    for name, module in _linears(layer):
        rounded = carried(module.weight.double().numpy(), moments[name])
        module.weight.copy_(torch.from_numpy(rounded))
