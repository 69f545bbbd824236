from types import SimpleNamespace

import onnxruntime
import pytest

from twinlens.ort.cuda.node_placement import Placement
from twinlens_kernels.graphs.match_matrix import MATCH_MATRIX

CPU, CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"


def part(provider: str, *nodes: tuple[str, str, str]) -> SimpleNamespace:
    made = [SimpleNamespace(domain=d, op_type=o, name=n) for d, o, n in nodes]
    return SimpleNamespace(ep_name=provider, get_nodes=lambda: made)


def test_nodes_on_another_provider_are_outside() -> None:
    placement = Placement.of(
        [
            part(CUDA, ("", "MatMul", "first"), ("com.microsoft", "QuickGelu", "bend")),
            part(CPU, ("", "Gather", "words"), ("com.microsoft", "QuickGelu", "other")),
        ]
    )
    assert placement.counts() == {CUDA: 2, CPU: 2}
    assert placement.outside([CUDA]) == (("Gather", "words"), ("com.microsoft.QuickGelu", "other"))
    assert placement.outside([CUDA, CPU]) == ()


@pytest.mark.skipif(
    not hasattr(onnxruntime.InferenceSession, "get_provider_graph_assignment_info"),
    reason="this onnxruntime does not tell where nodes run",
)
def test_what_onnxruntime_tells_is_read() -> None:
    options = onnxruntime.SessionOptions()
    options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
    session = onnxruntime.InferenceSession(MATCH_MATRIX.content, options, providers=[CPU])
    placement = Placement.of(session.get_provider_graph_assignment_info())
    assert placement.outside([CPU]) == ()
    others = placement.outside([CUDA])
    assert len(others) == placement.counts()[CPU] > 5
    assert "Exp" in [operator for operator, _ in others]
