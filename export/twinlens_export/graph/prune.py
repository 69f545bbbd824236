"""The step that drops what nobody reads."""

from dataclasses import replace

from twinlens_export.graph.graph import Graph, Node


def drop_unread(graph: Graph) -> Graph:
    """The graph without the nodes, and the arrays, that its output does not depend on."""
    read, kept = {graph.output.name}, list[Node]()
    for node in reversed(graph.nodes):
        if read.intersection(node.outputs):
            kept.append(node)
            read.update(node.inputs)
    return replace(graph, nodes=kept[::-1]).pruned()
