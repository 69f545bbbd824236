"""Names of tensors where two graphs become one."""

import numpy as np

from twinlens_export.graph.graph import Graph, GraphBuilder, ValueInfo
from twinlens_export.graph.names import free_name, names_in


def test_a_name_that_is_taken_gets_a_number() -> None:
    taken = {"a", "b.2"}
    assert [free_name(name, taken) for name in "aabbbc"] == ["a.2", "a.3", "b", "b.3", "b.4", "c"]


def test_tensors_of_a_part_do_not_take_the_names_of_others() -> None:
    graph = Graph(
        name="whole",
        input=ValueInfo(name="given", dtype=np.float32, shape=("n",)),
        output=ValueInfo(name="y", dtype=np.float32, shape=("n",)),
    )
    scale = graph.weight("scale", np.ones(3, np.float32))
    shift = graph.weight("shift", np.ones(3, np.float32))
    graph.add("Add", graph.add("Mul", "given", scale, name="scaled"), shift, name="y")
    part = GraphBuilder(name="part")
    part.weight("scale", np.ones(3, np.float32))  # equal
    part.weight("shift", np.ones(3, np.float16))  # equal in value, of another type
    part.weight("scaled", np.ones(3, np.float32))  # an array here, the output of a node there
    part.add("Neg", "scale", name="given")
    part.add("Neg", "given", name="free")
    assert names_in(graph, part) == {
        "scale": "scale",
        "shift": "shift.2",
        "scaled": "scaled.2",
        "given": "given.2",
        "free": "free",
    }
