"""Tensors of a file of weights, by their names; nothing of Python's in it is run."""

from pathlib import Path

import torch
from safetensors.torch import load_file


def read_tensors(path: Path) -> dict[str, torch.Tensor]:
    """Read a file of safetensors, or a pickle of tensors alone.

    Raises:
        Exception: it is neither; torch and safetensors have no type in common.
    """
    if path.suffix == ".safetensors":
        tensors: dict[str, torch.Tensor] = load_file(path)
        return tensors
    state: dict[str, torch.Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    return state
