"""The pass that computes constants: a node of which every input is an array becomes an array."""

from dataclasses import replace

from onnx.reference import ReferenceEvaluator

from twinlens_export.graph.graph import OPSET, Array, Graph, Node, to_node
from twinlens_export.graph.prune import drop_unread


def fold_constants(graph: Graph) -> Graph:
    """Return the graph without the nodes that compute the same in every run.

    So a weight that is packed for the native kernels is stored as the matrix that it stands for.
    """
    result = replace(graph, nodes=[], weights=dict(graph.weights))
    for node in graph.nodes:
        if all(name in result.weights for name in node.inputs if name):
            result.weights |= _computed(node, result.weights)
        else:
            result.nodes.append(node)
    return drop_unread(result)


def _computed(node: Node, weights: dict[str, Array]) -> dict[str, Array]:
    """Return the outputs of a node by name."""
    given = {name: weights[name] for name in node.inputs if name}
    arrays = ReferenceEvaluator(to_node(node), opsets={"": OPSET}).run(None, given)
    return dict(zip(node.outputs, arrays, strict=True))
