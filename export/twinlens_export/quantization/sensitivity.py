"""The sensitivity of a tower's blocks to int8, measured with each block alone in int8."""

# ruff: noqa: D102  the contracts are those of Blocks

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np

from twinlens_export.architecture import F32, Linear, Norm
from twinlens_export.blocks.fp32 import FloatBlocks
from twinlens_export.blocks.interface import Blocks, MakeBlocks, Mlp
from twinlens_export.graph.graph import Array, Graph, ValueInfo
from twinlens_export.precision import BuildGraph
from twinlens_export.quantization.activation_stats import open_graph
from twinlens_export.verification.verify import cosines_of

SWITCHES: Final = "switches"
MOST_SAMPLES: Final = 16
"""A sensitive block is sensitive on all samples, so a few are enough."""


def sensitivities(
    build: BuildGraph, make_int8: MakeBlocks, batches: Sequence[Array], folder: Path
) -> dict[str, float]:
    """Return the mean loss of cosine of each block alone in int8, by name, the largest first.

    Args:
        build: builds the tower's graph.
        make_int8: the blocks in int8.
        batches: calibration samples; only the first ones are used.
        folder: for temporary files.
    """
    blocks: list[SwitchedBlocks] = []

    def make_switched(graph: Graph) -> SwitchedBlocks:
        blocks.append(SwitchedBlocks(graph, make_int8(graph)))
        return blocks[-1]

    few = batches[: max(1, MOST_SAMPLES // len(batches[0]))]
    graph = build(make_switched)
    names = blocks[0].names
    graph.extra_inputs = (ValueInfo(name=SWITCHES, dtype=np.bool_, shape=(len(names),)),)
    with open_graph(graph, folder) as tower:

        def rows(switches: Array) -> F32:
            return np.concatenate([tower(batch, {SWITCHES: switches}) for batch in few])

        exact = rows(np.zeros(len(names), np.bool_))
        each = np.eye(len(names), dtype=np.bool_)
        lost = {
            name: float(np.mean(1 - cosines_of(rows(alone), exact)))
            for name, alone in zip(names, each, strict=True)
        }
    return dict(sorted(lost.items(), key=lambda item: -item[1]))


@dataclass(frozen=True, slots=True)
class SwitchedBlocks:
    """See `Blocks`: every block in float32 and in int8, and an input that selects one of them."""

    graph: Graph
    int8: Blocks
    names: list[str] = field(init=False, default_factory=list)
    """Names of the blocks, in the order of their switches."""
    _floats: FloatBlocks = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_floats", FloatBlocks(self.graph))

    def rows(self, table: F32, ids: str, name: str) -> str:
        exact = self._floats.rows(table, ids, f"{name}.exact")
        return self._switch(name, self.int8.rows(table, ids, name), exact)

    def bytes_linear(self, values: str, linear: Linear, name: str) -> str:
        exact = self._floats.bytes_linear(values, linear, f"{name}.exact")
        return self._switch(name, self.int8.bytes_linear(values, linear, name), exact)

    def linear(self, tokens: str, linear: Linear, name: str, *, norm: Norm | None = None) -> str:
        exact = self._floats.linear(tokens, linear, f"{name}.exact", norm=norm)
        return self._switch(name, self.int8.linear(tokens, linear, name, norm=norm), exact)

    def linear_add(self, tokens: str, linear: Linear, residual: str, name: str) -> str:
        exact = self._floats.linear_add(tokens, linear, residual, f"{name}.exact")
        return self._switch(name, self.int8.linear_add(tokens, linear, residual, name), exact)

    def mlp_add(self, tokens: str, mlp: Mlp, name: str) -> str:
        exact = self._floats.mlp_add(tokens, mlp, f"{name}.exact")
        return self._switch(name, self.int8.mlp_add(tokens, mlp, name), exact)

    def norm(self, tokens: str, norm: Norm, name: str) -> str:
        return self._floats.norm(tokens, norm, name)

    def self_attention(self, joined: str, heads: int, *, causal: bool) -> str:
        return self._floats.self_attention(joined, heads, causal=causal)

    def counted_attention(self, joined: str, heads: int, counts: str) -> str:
        return self._floats.counted_attention(joined, heads, counts)

    def pooled_attention(self, query: str, joined: str, heads: int, counts: str = "") -> str:
        return self._floats.pooled_attention(query, joined, heads, counts)

    def projection(self, rows: str, linear: Linear, name: str) -> str:
        return self._floats.projection(rows, linear, name)

    def unit_rows(self, rows: str, name: str) -> str:
        return self._floats.unit_rows(rows, name)

    def _switch(self, name: str, int8: str, exact: str) -> str:
        number = self.graph.constant(len(self.names), np.int64)
        self.names.append(name)
        on = self.graph.add("Gather", SWITCHES, number)
        return self.graph.add("Where", on, int8, exact)
