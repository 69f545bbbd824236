"""Damaged graphs of the native operators under sanitizers: rows, or an exception of onnxruntime.

Rows of a graph that stores an array of a wrong length are a fault: the sanitizers do not see the
masked loads of AVX-512, which read past its end.
"""

import os
import random
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from bench.faults import sanitizers
from bench.faults.campaign import Act, Case, ChangedAnswer
from bench.faults.inputs import operator_graphs


class Graphs:
    """One-node graphs and the demo's int8 towers, damaged where the operators are."""

    name = "graphs"
    count = 2_000
    small_count = 15
    fresh = False
    refusals = (RuntimeError, MemoryError, ValueError)
    """Plain ones come from onnxruntime's binding; its own are told apart by their module."""

    def environment(self) -> Mapping[str, str]:
        return sanitizers.environment(sanitizers.built())

    def draw(self, rng: random.Random, _number: int) -> Case:
        graph = operator_graphs.drawn(rng, tower)
        kind = graph.damage.partition(":")[0]
        shapes = ", ".join(f"{name} {list(array.shape)}" for name, array in graph.feeds.items())
        told = f"{graph.damage}; {shapes}; threads {graph.threads!r}"
        return Case(kind=kind, detail=told, content=graph)

    def keep(self, case: Case, place: Path) -> None:
        operator_graphs.write(case.content, place)

    def opened(self) -> Act:
        import onnxruntime  # noqa: PLC0415  heavy

        from twinlens_kernels import operators  # noqa: PLC0415

        library = os.environ.get("TWINLENS_OPERATORS_LIBRARY") or str(operators.library())

        def act(case: Case) -> str:
            graph: operator_graphs.Graph = case.content
            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = 2 if graph.threads == "2" else 1
            options.log_severity_level = 4
            # Each array in memory of its own, past whose end the sanitizer sees.
            options.enable_cpu_mem_arena = options.enable_mem_pattern = False
            options.add_session_config_entry("session.use_device_allocator_for_initializers", "1")
            options.add_session_config_entry("twinlens.threads", graph.threads)
            try:
                options.register_custom_ops_library(library)
                session = onnxruntime.InferenceSession(
                    graph.program, options, providers=["CPUExecutionProvider"]
                )
                session.run(None, graph.feeds)
            except Exception as error:
                if type(error).__module__.startswith("onnxruntime"):
                    return f"onnxruntime's {type(error).__name__}"
                raise
            if graph.unfit:
                raise ChangedAnswer(f"rows of a graph with an unfit {graph.unfit}")
            return "rows"

        return act


@cache
def tower(name: str) -> bytes:
    """Return the file of the demo's int8 "text" or "vision" tower."""
    from twinlens.loading import folder_of  # noqa: PLC0415

    return (folder_of("demo") / "onnx" / f"{name}_model_int8.onnx").read_bytes()
