"""The sensitivity of a tower's blocks to int8: the loss of cosine by each block alone in int8.

A block's error moves the embedding by a vector, and the vectors of small errors add up. So a tower
of few blocks runs once for each, alone in int8; one of many runs a fixed number of times, with a
small share of every block's error added or taken away by a random sign. The mean of such a run's
difference times a block's sign is that block's vector, and a rest of all the others: of ViT-L/14
12 runs in place of 97. A block that stands far out is taken off the differences first, with its
rest.
"""

# ruff: noqa: D102  the contracts are those of Blocks

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np

from twinlens_export.architecture import F32, F64, Linear, Norm
from twinlens_export.blocks.fp32 import FloatBlocks
from twinlens_export.blocks.interface import Blocks, MakeBlocks, Mlp
from twinlens_export.graph.graph import Array, Graph, ValueInfo
from twinlens_export.precision import BuildGraph
from twinlens_export.quantization.activation_stats import MAPPED, open_graph
from twinlens_export.verification.reference_model import ignored

SHARES: Final = "shares"
FEW_BLOCKS: Final = 48
"""Blocks of a tower up to which each is run alone: ViT-B has 38."""
PATTERNS: Final = 12
"""Runs with random signs. Of 97 blocks whose losses are alike, the 24 that are found so are 4/5 of
what the 24 dearest are; blocks that stand out are found as they are."""
SHARE: Final = 1 / 64
"""Share of an error in a run with random signs: less than would change the codes of a token."""
STANDS_OUT: Final = 3.0
"""Times the mean loss, from which on a block is taken off the differences by itself."""
IMAGES: Final = 4
TEXTS: Final = 16
"""A sensitive block is sensitive on all samples, so a few are enough."""
SEED: Final = 0


def sensitivities(
    build: BuildGraph,
    make_int8: MakeBlocks,
    batches: Sequence[Array],
    folder: Path,
    *,
    embedded: Callable[[Array], None] = ignored,
) -> dict[str, float]:
    """Return the mean loss of cosine of each block alone in int8, by name, the largest first.

    Args:
        build: builds the tower's graph.
        make_int8: the blocks in int8.
        batches: calibration samples; only the first ones are used.
        folder: for temporary files.
        embedded: is told of each batch that was run.
    """
    blocks: list[SwitchedBlocks] = []

    def make_switched(graph: Graph) -> SwitchedBlocks:
        blocks.append(SwitchedBlocks(graph, make_int8(graph)))
        return blocks[-1]

    graph = build(make_switched)
    names = blocks[0].names
    graph.extra_inputs = (ValueInfo(name=SHARES, dtype=np.float32, shape=(len(names),)),)
    random = np.random.default_rng(SEED)
    with open_graph(graph, folder, memory=MAPPED) as tower:

        def rows(batch: Array, shares: F32) -> F64:
            found = tower(batch, {SHARES: shares}).astype(np.float64)
            embedded(batch)
            return found

        runs = [Runs.of(rows, batch, len(names), random) for batch in few(batches)]
    lost = dict(zip(names, losses(runs), strict=True))
    return dict(sorted(lost.items(), key=lambda item: -item[1]))


def few(batches: Sequence[Array]) -> Sequence[Array]:
    """Return the first batches: as many as the measurement uses."""
    most = IMAGES if batches[0].ndim == 4 else TEXTS
    return batches[: max(1, most // len(batches[0]))]


def runs_of(n_blocks: int) -> int:
    """Return the number of runs on each sample."""
    return 1 + (n_blocks if n_blocks <= FEW_BLOCKS else PATTERNS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Runs:
    """Runs of a tower on one batch, each with another share of every block's error."""

    shares: F32
    """[runs, blocks]"""
    moved: F64
    """Differences from the rows in float32: [runs, B * D]."""
    count: int
    """Size B of the batch."""

    @classmethod
    def of(
        cls,
        rows: Callable[[Array, F32], F64],
        batch: Array,
        n_blocks: int,
        random: np.random.Generator,
    ) -> "Runs":
        """Run a batch with the shares of one block after the other, or with random signs."""
        if n_blocks <= FEW_BLOCKS:
            shares = np.eye(n_blocks, dtype=np.float32)
        else:
            signs = random.choice([-1, 1], (PATTERNS, n_blocks))
            shares = (SHARE * signs).astype(np.float32)
        exact = rows(batch, np.zeros(n_blocks, np.float32))
        moved = np.stack([(rows(batch, row) - exact).reshape(-1) for row in shares])
        return cls(shares=shares, moved=moved, count=len(batch))

    def vectors(self) -> F64:
        """Return the part of the differences that goes with each block: [blocks, B * D]."""
        sizes = np.square(self.shares).sum(axis=0, dtype=np.float64)
        found: F64 = (self.shares.T / sizes[:, None]) @ self.moved
        return found

    def take_off(self, block: int) -> None:
        """Subtract the share of one block."""
        np.subtract(
            self.moved,
            np.outer(self.shares[:, block], self.vectors()[block]),
            out=self.moved,
        )


def losses(runs: Sequence[Runs]) -> F64:
    """Return the mean loss of cosine of each block.

    1 - cos is half the squared distance of two unit rows.
    """
    count = sum(each.count for each in runs)
    found = np.zeros(runs[0].shares.shape[1])
    left = np.ones(len(found), np.bool_)
    while left.any():
        squares = sum(np.square(each.vectors()).sum(axis=1) for each in runs)
        lost = np.where(left, squares / (2 * count), 0)
        dearest = int(lost.argmax())
        if lost[dearest] <= STANDS_OUT * lost[left].mean():
            found[left] = lost[left]
            break
        found[dearest], left[dearest] = lost[dearest], False
        for each in runs:
            each.take_off(dearest)
    return found


@dataclass(frozen=True, slots=True)
class SwitchedBlocks:
    """See `Blocks`: every block in float32, and a share of its error in int8, which is an input."""

    graph: Graph
    int8: Blocks
    names: list[str] = field(init=False, default_factory=list)
    """Names of the blocks, in the order of their shares."""
    _floats: FloatBlocks = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_floats", FloatBlocks(self.graph))

    def rows(self, table: F32, ids: str, name: str) -> str:
        exact = self._floats.rows(table, ids, f"{name}.exact")
        return self._with_share(name, self.int8.rows(table, ids, name), exact)

    def bytes_linear(self, values: str, linear: Linear, name: str) -> str:
        exact = self._floats.bytes_linear(values, linear, f"{name}.exact")
        return self._with_share(name, self.int8.bytes_linear(values, linear, name), exact)

    def linear(self, tokens: str, linear: Linear, name: str, *, norm: Norm | None = None) -> str:
        exact = self._floats.linear(tokens, linear, f"{name}.exact", norm=norm)
        return self._with_share(name, self.int8.linear(tokens, linear, name, norm=norm), exact)

    def linear_add(self, tokens: str, linear: Linear, residual: str, name: str) -> str:
        exact = self._floats.linear_add(tokens, linear, residual, f"{name}.exact")
        return self._with_share(name, self.int8.linear_add(tokens, linear, residual, name), exact)

    def mlp_add(self, tokens: str, mlp: Mlp, name: str) -> str:
        exact = self._floats.mlp_add(tokens, mlp, f"{name}.exact")
        return self._with_share(name, self.int8.mlp_add(tokens, mlp, name), exact)

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

    def _with_share(self, name: str, int8: str, exact: str) -> str:
        number = self.graph.constant(len(self.names), np.int64)
        self.names.append(name)
        error = self.graph.add("Sub", int8, exact)
        share = self.graph.add("Gather", SHARES, number)
        return self.graph.add("Add", exact, self.graph.add("Mul", error, share))
