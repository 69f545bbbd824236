"""Smoothing: a tower whose tokens and weights are equally easy to code in 8 bits.

A token is coded with one scale, and so is a row of a weight, so the error of a product is that of
the largest channel in all channels: trained towers have a few that are tens of times larger than
the others. Channel j of the tokens divided by s_j, column j of the weight multiplied by it, the
product is the same, and nothing is computed for it: the division is folded into what the tokens
come from, a norm or the values of an attention (SmoothQuant, Xiao et al. 2022). In BERT what a norm
gives is added to as well, so there tokens have to be divided after all.

s_j = sqrt(rms of channel j / rms of column j). Of all s it is the one with the least
sum_j (x_j / s_j)^2 * sum_j (W_j s_j)^2 in the mean, by Cauchy and Schwarz: the product of what
the two codings' errors grow with.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final, TypeVar

import numpy as np

from twinlens_export.architecture import (
    F32,
    F64,
    Encoder,
    ImageTower,
    Layer,
    Linear,
    Norm,
    Pool,
    TextTower,
)

Tower = TypeVar("Tower", ImageTower, TextTower)
Sizes = Mapping[str, F32]
"""Root mean square of every channel [in] that a product is fed, by the product's name."""

LEAST: Final = 1e-6
"""Of the largest: a channel that is always zero has a factor all the same."""


def smoothed(tower: Tower, sizes: Sizes) -> Tower:
    """The same function, easier to code: float32 embeddings move by rounding alone."""
    encoder = tower.encoder
    layers = tuple(
        _layer(layer, encoder, sizes, f"layers.{number}")
        for number, layer in enumerate(encoder.layers)
    )
    smooth = replace(tower, encoder=replace(encoder, layers=layers))
    if isinstance(smooth, ImageTower) and smooth.pool is not None:
        return _pooled(smooth, smooth.pool, sizes)
    return smooth


def unfolded(tower: ImageTower | TextTower, sizes: Sizes) -> dict[str, F32]:
    """Factors [in] of the products whose tokens come from no norm of their own, by their names.

    These have to be divided when they are coded.
    """
    if not tower.encoder.norm_last:
        return {}
    return {
        f"layers.{number}.{name}": _factors(
            sizes[f"layers.{number}.{name}"], *(linear.weight for linear in linears)
        ).astype(np.float32)
        for number, layer in enumerate(tower.encoder.layers)
        for name, linears in (
            ("query_key_value", (layer.query, layer.key, layer.value)),
            ("query", (layer.query,)),
            ("key_value", (layer.key, layer.value)),
            ("mlp.widen", (layer.widen,)),
        )
        if f"layers.{number}.{name}" in sizes
    }


def _layer(layer: Layer, encoder: Encoder, sizes: Sizes, name: str) -> Layer:
    value, mixed = _fed(layer.value, layer.mixed, sizes[f"{name}.mixed"])
    layer = replace(layer, value=value, mixed=mixed)
    if encoder.norm_last:  # what the norm gives is added to, too
        return layer
    seen = sizes.get(f"{name}.query_key_value")
    if seen is None:  # the last layer's, where one token asks
        seen = sizes[f"{name}.key_value"]
    norm, (query, key, value) = _normed(
        layer.attention_norm, (layer.query, layer.key, layer.value), seen
    )
    layer = replace(layer, attention_norm=norm, query=query, key=key, value=value)
    norm, (widen,) = _normed(layer.mlp_norm, (layer.widen,), sizes[f"{name}.mlp.widen"])
    return replace(layer, mlp_norm=norm, widen=widen)


def _pooled(tower: ImageTower, pool: Pool, sizes: Sizes) -> ImageTower:
    value, mixed = _fed(pool.value, pool.mixed, sizes["pool.mixed"])
    output_norm, (key, value) = _normed(
        tower.output_norm, (pool.key, value), sizes["pool.key_value"]
    )
    mlp_norm, (widen,) = _normed(pool.mlp_norm, (pool.widen,), sizes["pool.mlp.widen"])
    pool = replace(pool, key=key, value=value, mixed=mixed, mlp_norm=mlp_norm, widen=widen)
    return replace(tower, output_norm=output_norm, pool=pool)


def _normed(norm: Norm, linears: tuple[Linear, ...], sizes: F32) -> tuple[Norm, tuple[Linear, ...]]:
    """A norm and the maps of what it gives, its channels divided by their factors."""
    factors = _factors(sizes, *(linear.weight for linear in linears))
    lowered = replace(norm, scale=_as_f32(norm.scale / factors), bias=_as_f32(norm.bias / factors))
    return lowered, tuple(
        replace(linear, weight=_as_f32(linear.weight * factors)) for linear in linears
    )


def _fed(first: Linear, second: Linear, sizes: F32) -> tuple[Linear, Linear]:
    """Two maps, the first's outputs divided by the factors of the second's columns.

    Between them outputs are only mixed with themselves, as an attention does with values.
    """
    factors = _factors(sizes, second.weight)
    bias = None if first.bias is None else _as_f32(first.bias / factors)
    return (
        Linear(weight=_as_f32(first.weight / factors[:, None]), bias=bias),
        replace(second, weight=_as_f32(second.weight * factors)),
    )


def _factors(sizes: F32, *weights: F32) -> F64:
    """What to divide each channel by, their geometric mean being 1."""
    rows = np.concatenate(weights).astype(np.float64)
    columns: F64 = np.sqrt(np.square(rows).mean(axis=0))
    factors: F64 = np.sqrt(_lifted(sizes.astype(np.float64)) / _lifted(columns))
    middle: F64 = np.exp(np.log(factors).mean())
    return factors / middle


def _lifted(sizes: F64) -> F64:
    """Sizes of which none is zero."""
    return np.maximum(sizes, max(LEAST * float(sizes.max()), LEAST))


def _as_f32(array: F64) -> F32:
    return array.astype(np.float32)
