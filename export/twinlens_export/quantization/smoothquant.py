"""Smoothing (SmoothQuant, Xiao et al. 2022): tokens and weights of equal range in every channel.

A token is quantised with one scale, and so is a row of a weight: its largest channel sets the error
of all its channels, and trained towers have a few channels tens of times larger than the others.
With channel j of the tokens divided by s_j and column j of the weight multiplied by it the product
is the same. The division costs nothing: it is folded into the source of the tokens, a norm or the
values of an attention. In a post-norm tower (BERT) the norm's output is also the residual, so there
the tokens are divided when they are quantised.

s_j = sqrt(rms of channel j / rms of column j). By the Cauchy-Schwarz inequality these s minimise
the mean of sum_j (x_j / s_j)^2 * sum_j (W_j s_j)^2, to which both quantisation errors are
proportional.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final, TypeVar, cast

import numpy as np

from twinlens_export.architecture import (
    F32,
    F64,
    AnyTower,
    AttentionPool,
    Encoder,
    ImageTower,
    Layer,
    Linear,
    Norm,
    TracedImageTower,
    TracedTextTower,
)

Tower = TypeVar("Tower", bound=AnyTower)
Rms = Mapping[str, F32]
"""Root mean square of every input channel [in] of a linear map, by its name."""

LEAST: Final = 1e-6
"""Lower bound of a channel's rms, as a share of the largest: zeros have a finite factor too."""


def smoothed(tower: Tower, rms: Rms) -> Tower:
    """Return a tower of the same function: float32 embeddings change by rounding alone.

    A traced tower stays as it is: all its tokens are divided when they are quantised.
    """
    if isinstance(tower, (TracedImageTower, TracedTextTower)):
        return tower
    encoder = tower.encoder
    layers = tuple(
        _layer(layer, encoder, rms, f"layers.{number}")
        for number, layer in enumerate(encoder.layers)
    )
    smooth = replace(tower, encoder=replace(encoder, layers=layers))
    if isinstance(smooth, ImageTower) and smooth.pool is not None:
        return cast("Tower", _pooled(smooth, smooth.pool, rms))
    return smooth


def token_divisors(tower: AnyTower, rms: Rms) -> dict[str, F32]:
    """Return the factors [in] that no norm can absorb, by the linear map's name.

    The tokens of these maps are divided when they are quantised. A pre-norm tower has none.
    """
    if isinstance(tower, (TracedImageTower, TracedTextTower)):
        return {
            step.name: _factors(rms[step.name], step.weight).astype(np.float32)
            for step in tower.body.blocks
        }
    if not tower.encoder.post_norm:
        return {}
    return {
        f"layers.{number}.{name}": _factors(
            rms[f"layers.{number}.{name}"], *(linear.weight for linear in linears)
        ).astype(np.float32)
        for number, layer in enumerate(tower.encoder.layers)
        for name, linears in (
            ("query_key_value", (layer.query, layer.key, layer.value)),
            ("query", (layer.query,)),
            ("key_value", (layer.key, layer.value)),
            ("mlp.widen", (layer.fc1,)),
        )
        if f"layers.{number}.{name}" in rms
    }


def _layer(layer: Layer, encoder: Encoder, rms: Rms, name: str) -> Layer:
    value, out_proj = _smooth_pair(layer.value, layer.out_proj, rms[f"{name}.mixed"])
    layer = replace(layer, value=value, out_proj=out_proj)
    if encoder.post_norm:  # the norm's output is the residual, too
        return layer
    tokens = rms.get(f"{name}.query_key_value")
    if tokens is None:  # the last layer's, with the query of one token
        tokens = rms[f"{name}.key_value"]
    norm, (query, key, value) = _smooth_norm(
        layer.attention_norm, (layer.query, layer.key, layer.value), tokens
    )
    layer = replace(layer, attention_norm=norm, query=query, key=key, value=value)
    norm, (fc1,) = _smooth_norm(layer.mlp_norm, (layer.fc1,), rms[f"{name}.mlp.widen"])
    return replace(layer, mlp_norm=norm, fc1=fc1)


def _pooled(tower: ImageTower, pool: AttentionPool, rms: Rms) -> ImageTower:
    value, out_proj = _smooth_pair(pool.value, pool.out_proj, rms["pool.mixed"])
    output_norm, (key, value) = _smooth_norm(
        tower.output_norm, (pool.key, value), rms["pool.key_value"]
    )
    mlp_norm, (fc1,) = _smooth_norm(pool.mlp_norm, (pool.fc1,), rms["pool.mlp.widen"])
    pool = replace(pool, key=key, value=value, out_proj=out_proj, mlp_norm=mlp_norm, fc1=fc1)
    return replace(tower, output_norm=output_norm, pool=pool)


def _smooth_norm(
    norm: Norm, linears: tuple[Linear, ...], rms: F32
) -> tuple[Norm, tuple[Linear, ...]]:
    """Divide a norm's output by the factors, and multiply the linear maps after it by them."""
    factors = _factors(rms, *(linear.weight for linear in linears))
    lowered = replace(norm, scale=_as_f32(norm.scale / factors), bias=_as_f32(norm.bias / factors))
    return lowered, tuple(
        replace(linear, weight=_as_f32(linear.weight * factors)) for linear in linears
    )


def _smooth_pair(first: Linear, second: Linear, rms: F32) -> tuple[Linear, Linear]:
    """Divide the outputs of the first map by the factors, and multiply the second by them.

    Between them a channel is only averaged with itself, as an attention does with values.
    """
    factors = _factors(rms, second.weight)
    bias = None if first.bias is None else _as_f32(first.bias / factors)
    return (
        Linear(weight=_as_f32(first.weight / factors[:, None]), bias=bias),
        replace(second, weight=_as_f32(second.weight * factors)),
    )


def _factors(rms: F32, *weights: F32) -> F64:
    """Return the smoothing factors of the channels; their geometric mean is 1."""
    rows = np.concatenate(weights).astype(np.float64)
    columns: F64 = np.sqrt(np.square(rows).mean(axis=0))
    factors: F64 = np.sqrt(_nonzero(rms.astype(np.float64)) / _nonzero(columns))
    geometric_mean: F64 = np.exp(np.log(factors).mean())
    return factors / geometric_mean


def _nonzero(rms: F64) -> F64:
    """Raise zeros to a lower bound."""
    return np.maximum(rms, max(LEAST * float(rms.max()), LEAST))


def _as_f32(array: F64) -> F32:
    return array.astype(np.float32)
