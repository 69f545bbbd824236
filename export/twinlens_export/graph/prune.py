"""The pass that drops unread nodes and arrays."""

from dataclasses import replace

from twinlens_export.graph.graph import Graph, Node


def drop_unread(graph: Graph) -> Graph:
    """Return the graph without the nodes and arrays that its output does not depend on."""
    read, kept = {graph.output.name}, list[Node]()
    for node in reversed(graph.nodes):
        if read.intersection(node.outputs):
            kept.append(node)
            read.update(node.inputs)
    return replace(graph, nodes=kept[::-1]).pruned()
