"""Which nodes of a program run beside the device that was asked for."""

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any, Self


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

    def outside(self, providers: Collection[str]) -> tuple[tuple[str, str], ...]:
        """Operator and name of the nodes that run on another provider than these."""
        return tuple(
            (operator, name) for provider, operator, name in self.nodes if provider not in providers
        )

    def counts(self) -> dict[str, int]:
        """How many nodes each provider has."""
        return dict(Counter(provider for provider, _, _ in self.nodes))


def _operator(domain: str, operator: str) -> str:
    return f"{domain}.{operator}" if domain else operator
