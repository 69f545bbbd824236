"""The attention block of a pre-norm layer, found at the end of a graph to become one operator."""

from collections.abc import Collection

from twinlens_export.graph.graph import Graph, Node


def attention_block(
    graph: Graph, attended: str, residual: str, *, projection: str, attentions: Collection[str]
) -> tuple[Node, Node] | None:
    """Return the last two nodes if they are an attention block up to its output projection.

    Args:
        graph: the graph under construction.
        attended: input of the output projection.
        residual: what is added to its output.
        projection: operator that norms tokens and projects them to queries, keys and values.
        attentions: operators of the attentions that have an operator of the whole block.
    """
    if len(graph.nodes) < 2:
        return None
    qkv, attention = graph.nodes[-2:]
    found = (
        attention.op in attentions
        and attention.name == attended
        and qkv.op == projection
        and qkv.name == attention.inputs[0]
        and qkv.inputs[0] == residual
    )
    return (qkv, attention) if found else None
