"""Placement of a model's nodes on execution providers."""

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any, Self


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """Nodes of a model, each with the provider that onnxruntime chose for it."""

    nodes: tuple[tuple[str, str, str], ...]
    """(provider, operator, name) of each."""

    @classmethod
    def of(cls, subgraphs: Iterable[Any]) -> Self:
        """Read the result of `InferenceSession.get_provider_graph_assignment_info`."""
        return cls(
            nodes=tuple(
                (part.ep_name, _operator(node.domain, node.op_type), node.name)
                for part in subgraphs
                for node in part.get_nodes()
            )
        )

    def outside(self, providers: Collection[str]) -> tuple[tuple[str, str], ...]:
        """Return (operator, name) of the nodes that run on another provider than these."""
        return tuple(
            (operator, name) for provider, operator, name in self.nodes if provider not in providers
        )

    def counts(self) -> dict[str, int]:
        """Return the number of nodes of each provider."""
        return dict(Counter(provider for provider, _, _ in self.nodes))


def _operator(domain: str, operator: str) -> str:
    return f"{domain}.{operator}" if domain else operator
