"""The body of a traced tower: the operations of any model between one input and one output."""

from dataclasses import dataclass
from typing import Final, TypeAlias

from twinlens_export.graph.graph import Array, Node


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedArray:
    """A weight, or a constant."""

    name: str
    array: Array


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockStep:
    """A step that is a block of each precision: it reads one tensor and makes another."""

    name: str
    """Of the operation in its model, which messages and the table of an export use."""
    given: str
    output: str

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the tensors that it reads, as a node has them."""
        return (self.given,)

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of the tensors that it makes."""
        return (self.output,)


@dataclass(frozen=True, slots=True, kw_only=True)
class DenseStep(BlockStep):
    """A linear map x @ weight.T + bias of the last axis of [..., in]."""

    weight: Array
    """[out, in]"""
    bias: Array | None
    """[out]"""
    shape: tuple[int | None, ...]
    """Of x; None: it depends on the batch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TableStep(BlockStep):
    """Rows [B, T, width] of a large table, such as a token embedding, by int64 ids [B, T]."""

    table: Array
    """[n, width]"""


ROWS: Final = 2
"""Rank of an array of rows, of which there may be one an item."""
Step: TypeAlias = Node | DenseStep | TableStep


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """Steps in order of execution: nodes of standard operators, linear maps, rows of tables."""

    input: str
    output: str
    """float32 [B, D]."""
    steps: tuple[Step, ...]
    arrays: tuple[NamedArray, ...]
    """Those that nodes read; linear maps and tables have theirs."""
    products: float
    """Products of weights that an item takes, or a token, where their number is not fixed."""

    @property
    def blocks(self) -> tuple[DenseStep, ...]:
        """The linear maps of tokens, which int8 quantises: those of rows, pooled or flat, stay."""
        dense = (step for step in self.steps if isinstance(step, DenseStep))
        return tuple(step for step in dense if len(step.shape) > ROWS)

    @property
    def float_parts(self) -> tuple[str, ...]:
        """Return the parts that int8 leaves in float32, in words; empty if there are none."""
        count = sum(isinstance(step, Node) and step.op == "Conv" for step in self.steps)
        return (f"{count} convolution{'s' if count > 1 else ''}",) if count else ()
