"""The towers of tower_shapes.py in torch: what is right, and what is to be beaten."""

from collections.abc import Callable

import numpy as np
import torch
from torch.nn import functional
from tower_shapes import MEAN, STD

from twinlens_export.architecture import ImageTower, Layer, Norm, TextTower

Embed = Callable[[np.ndarray], np.ndarray]
EPSILON = 1e-5


class Normed(torch.nn.Module):
    def __init__(self, norm: Norm) -> None:
        super().__init__()
        self.scale, self.bias = held(norm.scale), held(norm.bias)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        return functional.layer_norm(tokens, tokens.shape[-1:], self.scale, self.bias, EPSILON)


class Mapped(torch.nn.Module):
    def __init__(self, weight: np.ndarray, bias: np.ndarray | None) -> None:
        super().__init__()
        self.weight = held(weight)
        self.bias = None if bias is None else held(bias)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        return functional.linear(tokens, self.weight, self.bias)


class Block(torch.nn.Module):
    def __init__(self, layer: Layer, heads: int, *, causal: bool) -> None:
        super().__init__()
        self.heads, self.causal = heads, causal
        joined = (layer.query, layer.key, layer.value)
        weights, biases = zip(*((part.weight, part.bias) for part in joined), strict=True)
        self.three = Mapped(np.concatenate(weights), np.concatenate(biases))
        self.mixed = Mapped(layer.out_proj.weight, layer.out_proj.bias)
        self.widen = Mapped(layer.fc1.weight, layer.fc1.bias)
        self.narrow = Mapped(layer.fc2.weight, layer.fc2.bias)
        self.attention_norm, self.mlp_norm = Normed(layer.attention_norm), Normed(layer.mlp_norm)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        three = self.three(self.attention_norm(tokens))
        query, key, value = three.unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        mixed = functional.scaled_dot_product_attention(query, key, value, is_causal=self.causal)
        tokens = tokens + self.mixed(mixed.transpose(1, 2).flatten(2))
        wide = self.widen(self.mlp_norm(tokens))
        return tokens + self.narrow(wide * torch.sigmoid(1.702 * wide))


class Tower(torch.nn.Module):
    def __init__(self, tower: ImageTower | TextTower, *, causal: bool) -> None:
        super().__init__()
        inner = tower.encoder
        self.blocks = torch.nn.Sequential(
            *(Block(layer, inner.heads, causal=causal) for layer in inner.layers)
        )
        self.positions = held(tower.position_embedding)
        self.output_norm = Normed(tower.output_norm)
        self.projection = Mapped(tower.projection.weight, None)

    def rows(self, pooled: torch.Tensor) -> torch.Tensor:
        return functional.normalize(self.projection(self.output_norm(pooled)).float(), dim=1)


class Image(Tower):
    def __init__(self, tower: ImageTower) -> None:
        super().__init__(tower, causal=False)
        self.patch_px = tower.patch_px
        self.patches, self.front = held(tower.patch_embedding), held(tower.class_embedding)
        self.input_norm = Normed(tower.input_norm)
        self.mean = held(np.float32(MEAN).reshape(1, 3, 1, 1))
        self.std = held(np.float32(STD).reshape(1, 3, 1, 1))

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        numbers = (pixels.permute(0, 3, 1, 2).to(self.mean.dtype) / 255 - self.mean) / self.std
        patches = functional.conv2d(numbers, self.patches, stride=self.patch_px)
        tokens = torch.cat(
            [self.front.expand(len(patches), 1, -1), patches.flatten(2).transpose(1, 2)], dim=1
        )
        return self.rows(self.blocks(self.input_norm(tokens + self.positions))[:, 0])


class Text(Tower):
    def __init__(self, tower: TextTower) -> None:
        super().__init__(tower, causal=True)
        self.words, self.end_id = held(tower.token_embedding), tower.end_id

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        tokens = self.blocks(self.words[ids] + self.positions[: ids.shape[1]])
        end = (ids == self.end_id).int().argmax(dim=1)
        return self.rows(tokens[torch.arange(len(ids), device=ids.device), end])


def held(values: np.ndarray) -> torch.nn.Parameter:
    return torch.nn.Parameter(torch.from_numpy(values), requires_grad=False)


def module_of(tower: ImageTower | TextTower, place: str, dtype: torch.dtype) -> torch.nn.Module:
    """Pixels or ids on the device in, float32 unit rows there out."""
    module = Image(tower) if isinstance(tower, ImageTower) else Text(tower)
    return module.eval().to(place, dtype)


def from_host_to_host(module: torch.nn.Module, place: str) -> Embed:
    """By way of page-locked memory, as twinlens does it."""
    staged: dict[tuple[int, ...], torch.Tensor] = {}

    def embed(batch: np.ndarray) -> np.ndarray:
        given = torch.from_numpy(batch)
        if place != "cpu":
            if batch.shape not in staged:
                staged[batch.shape] = torch.empty_like(given).pin_memory()
            given = staged[batch.shape].copy_(given).to(place, non_blocking=True)
        with torch.inference_mode():
            rows: np.ndarray = module(given).cpu().numpy()
        return rows

    return embed


def plainly(embed: Embed) -> Embed:
    """With scores and shares as matrices in memory."""

    def plain(batch: np.ndarray) -> np.ndarray:
        with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):
            return embed(batch)

    return plain
