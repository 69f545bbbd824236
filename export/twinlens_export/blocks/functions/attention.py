"""Attentions as ONNX functions: in float32, whatever the precision of a tower's weights."""

from dataclasses import dataclass

from twinlens_export.blocks.fp32 import (
    add_attention,
    add_causal_mask,
    add_count_mask,
    add_heads,
    add_pooled_attention,
)
from twinlens_export.graph.graph import Function


@dataclass(frozen=True, slots=True)
class AttentionFunctions:
    """Functions of attentions under the operators' names of one precision."""

    prefix: str
    """Of the operators' names, as "Bf16"."""

    def self_attention(self, heads: int, *, causal: bool) -> Function:
        """Define `Blocks.self_attention`."""
        body = self._begun("CausalAttention" if causal else "SelfAttention", "joined")
        mask = add_causal_mask(body, "joined") if causal else ""
        return _ended(body, add_attention(body, add_heads(body, "joined", heads, parts=3), mask))

    def counted(self, heads: int) -> Function:
        """Define `Blocks.counted_attention`."""
        body = self._begun("CountedAttention", "joined", "counts")
        mask = add_count_mask(body, "joined", "counts")
        return _ended(body, add_attention(body, add_heads(body, "joined", heads, parts=3), mask))

    def pooled(self, heads: int) -> Function:
        """Define `Blocks.pooled_attention` without counts."""
        body = self._begun("PooledAttention", "query", "joined")
        return _ended(body, add_pooled_attention(body, "query", "joined", heads, ""))

    def counted_pooled(self, heads: int) -> Function:
        """Define `Blocks.pooled_attention` with counts."""
        body = self._begun("CountedPooledAttention", "query", "joined", "counts")
        mask = add_count_mask(body, "joined", "counts")
        return _ended(body, add_pooled_attention(body, "query", "joined", heads, mask))

    def _begun(self, name: str, *inputs: str) -> Function:
        return Function(
            name=f"{self.prefix}{name}", inputs=inputs, output="y", attributes=("heads",)
        )


def _ended(body: Function, tensor: str) -> Function:
    body.add("Identity", tensor, name=body.output)
    return body
