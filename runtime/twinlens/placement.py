"""Which nodes of a program run beside the device that was asked for."""

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any, Final, Self

_SHAPES: Final = frozenset({"Shape", "Size"})
"""They read no number of a tensor, only its sides, which the host has anyway. Whatever else is
computed from sides is small too, but its operators (Gather, Slice, Concat) are those that read
whole tables, so a tower has to do without them on the CPU."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """The nodes of a program by provider, as onnxruntime has placed them."""

    nodes: tuple[tuple[str, str, str], ...]
    """Provider, operator and name of each."""

    @classmethod
    def of(cls, subgraphs: Iterable[Any]) -> Self:
        """What `InferenceSession.get_provider_graph_assignment_info` tells."""
        return cls(
            nodes=tuple(
                (part.ep_name, _operator(node.domain, node.op_type), node.name)
                for part in subgraphs
                for node in part.get_nodes()
            )
        )

    def astray(self, providers: Collection[str]) -> tuple[str, ...]:
        """The nodes that run on another provider than these, as "Operator name"."""
        return tuple(
            f"{operator} {name}"
            for provider, operator, name in self.nodes
            if provider not in providers and operator not in _SHAPES
        )

    def counts(self) -> dict[str, int]:
        """How many nodes each provider has."""
        return dict(Counter(provider for provider, _, _ in self.nodes))


def _operator(domain: str, operator: str) -> str:
    return f"{domain}.{operator}" if domain else operator
