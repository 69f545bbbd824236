"""Towers of tower_shapes.py in torch: the reference, and the peer to be beaten."""

from collections.abc import Callable

import numpy as np
import torch
from torch.nn import functional

from bench.harness.clip_pixels import MEAN, STD
from twinlens_export.architecture import ImageTower, Layer, Norm, TextTower

Embed = Callable[[np.ndarray], np.ndarray]
EPSILON = 1e-5


class LayerNorm(torch.nn.Module):
    def __init__(self, norm: Norm) -> None:
        super().__init__()
        self.scale, self.bias = parameter(norm.scale), parameter(norm.bias)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        return functional.layer_norm(tokens, tokens.shape[-1:], self.scale, self.bias, EPSILON)


class Linear(torch.nn.Module):
    def __init__(self, weight: np.ndarray, bias: np.ndarray | None) -> None:
        super().__init__()
        self.weight = parameter(weight)
        self.bias = None if bias is None else parameter(bias)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        return functional.linear(tokens, self.weight, self.bias)


class TransformerBlock(torch.nn.Module):
    def __init__(self, layer: Layer, heads: int, *, causal: bool) -> None:
        super().__init__()
        self.heads, self.causal = heads, causal
        joined = (layer.query, layer.key, layer.value)
        weights, biases = zip(*((part.weight, part.bias) for part in joined), strict=True)
        self.query_key_value = Linear(np.concatenate(weights), np.concatenate(biases))
        self.out_proj = Linear(layer.out_proj.weight, layer.out_proj.bias)
        self.fc1 = Linear(layer.fc1.weight, layer.fc1.bias)
        self.fc2 = Linear(layer.fc2.weight, layer.fc2.bias)
        self.attention_norm, self.mlp_norm = (
            LayerNorm(layer.attention_norm),
            LayerNorm(layer.mlp_norm),
        )

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        joined = self.query_key_value(self.attention_norm(tokens))
        query, key, value = joined.unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        mixed = functional.scaled_dot_product_attention(query, key, value, is_causal=self.causal)
        tokens = tokens + self.out_proj(mixed.transpose(1, 2).flatten(2))
        wide = self.fc1(self.mlp_norm(tokens))
        return tokens + self.fc2(wide * torch.sigmoid(1.702 * wide))


class Tower(torch.nn.Module):
    def __init__(self, tower: ImageTower | TextTower, *, causal: bool) -> None:
        super().__init__()
        inner = tower.encoder
        self.blocks = torch.nn.Sequential(
            *(TransformerBlock(layer, inner.heads, causal=causal) for layer in inner.layers)
        )
        self.positions = parameter(tower.position_embedding)
        self.output_norm = LayerNorm(tower.output_norm)
        self.projection = Linear(tower.projection.weight, None)

    def rows(self, pooled: torch.Tensor) -> torch.Tensor:
        return functional.normalize(self.projection(self.output_norm(pooled)).float(), dim=1)


class VisionTower(Tower):
    def __init__(self, tower: ImageTower) -> None:
        super().__init__(tower, causal=False)
        self.patch_px = tower.patch_px
        self.patches, self.front = (
            parameter(tower.patch_embedding),
            parameter(tower.class_embedding),
        )
        self.input_norm = LayerNorm(tower.input_norm)
        self.mean = parameter(np.float32(MEAN).reshape(1, 3, 1, 1))
        self.std = parameter(np.float32(STD).reshape(1, 3, 1, 1))

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        numbers = (pixels.permute(0, 3, 1, 2).to(self.mean.dtype) / 255 - self.mean) / self.std
        patches = functional.conv2d(numbers, self.patches, stride=self.patch_px)
        tokens = torch.cat(
            [self.front.expand(len(patches), 1, -1), patches.flatten(2).transpose(1, 2)], dim=1
        )
        return self.rows(self.blocks(self.input_norm(tokens + self.positions))[:, 0])


class TextTransformer(Tower):
    def __init__(self, tower: TextTower) -> None:
        super().__init__(tower, causal=True)
        self.words, self.end_id = parameter(tower.token_embedding), tower.end_id

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        tokens = self.blocks(self.words[ids] + self.positions[: ids.shape[1]])
        end = (ids == self.end_id).int().argmax(dim=1)
        return self.rows(tokens[torch.arange(len(ids), device=ids.device), end])


def parameter(values: np.ndarray) -> torch.nn.Parameter:
    return torch.nn.Parameter(torch.from_numpy(values), requires_grad=False)


def module_of(tower: ImageTower | TextTower, device: str, dtype: torch.dtype) -> torch.nn.Module:
    """Return the module from pixels or ids on the device to float32 unit rows there."""
    module = VisionTower(tower) if isinstance(tower, ImageTower) else TextTransformer(tower)
    return module.eval().to(device, dtype)


def from_host_to_host(module: torch.nn.Module, device: str) -> Embed:
    """Return the call from host to host by way of page-locked memory, as twinlens does it."""
    staged: dict[tuple[int, ...], torch.Tensor] = {}

    def embed(batch: np.ndarray) -> np.ndarray:
        given = torch.from_numpy(batch)
        if device != "cpu":
            if batch.shape not in staged:
                staged[batch.shape] = torch.empty_like(given).pin_memory()
            given = staged[batch.shape].copy_(given).to(device, non_blocking=True)
        with torch.inference_mode():
            rows: np.ndarray = module(given).cpu().numpy()
        return rows

    return embed


def with_math_attention(embed: Embed) -> Embed:
    """Return the call with attention scores and weights as matrices in memory."""

    def plain(batch: np.ndarray) -> np.ndarray:
        with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):
            return embed(batch)

    return plain
