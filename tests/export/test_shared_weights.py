"""Weights beside an ONNX file: mapped once, and shared by the sessions of a process."""

import contextlib
import gc
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import DTypeLike
from onnx import helper, numpy_helper

from twinlens.ort.device import CPU
from twinlens.ort.session import Session
from twinlens.ort.session_options import CpuMemory
from twinlens.ort.weights.external_tensors import external_tensors
from twinlens.ort.weights.mapped_weights import mapped_weights
from twinlens_export.blocks.fp32 import FloatBlocks
from twinlens_export.blocks.int8 import Int8Blocks
from twinlens_export.checkpoints.checkpoint import Checkpoint
from twinlens_export.graph.graph import save
from twinlens_export.towers.tower_graphs import image_graph
from twinlens_kernels import operators

pytestmark = pytest.mark.export

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")
MEMORY = {
    "fp32": CpuMemory(packed=False, arena=False, shared=True),
    "int8": CpuMemory(arena=False, shared=True),
}
GROWTH = """
import gc, json, re, sys
from pathlib import Path
import numpy as np
from twinlens.ort.device import CPU
from twinlens.ort.session import Session
from twinlens.ort.session_options import CpuMemory

def resident():
    gc.collect()
    text = Path("/proc/self/smaps_rollup").read_text()
    return {f: 1024 * int(re.search(rf"^{f}: +(\\d+)", text, re.M)[1]) for f in ("Rss", "Pss")}

path, memory = Path(sys.argv[1]), CpuMemory(**json.loads(sys.argv[2]))
pixels, kept, seen = np.zeros((1, 224, 224, 3), np.uint8), [], []
for _ in range(3):
    seen.append(resident())
    kept.append(Session(path, device=CPU, threads=1, name="tower", memory=memory,
                        beside=[path.with_name(path.name + "_data")]))
    kept[-1].run({"pixel_values": pixels}, "image_embeds")
seen.append(resident())
print(json.dumps([{f: b[f] - a[f] for f in a} for a, b in zip(seen, seen[1:])]))
"""


@pytest.fixture(scope="module", params=["fp32", "int8"])
def precision(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    if name == "int8" and operators.path() is None:
        pytest.skip("onnxruntime's own operators unpack the weights of int8")
    return name


@pytest.fixture(scope="module")
def tower(
    precision: str,
    checkpoint_of: Callable[[str], Checkpoint],
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """Save an image tower as wide as that of ViT-B/32, of two layers."""
    path = tmp_path_factory.mktemp(precision) / "tower.onnx"
    blocks = {"fp32": FloatBlocks, "int8": Int8Blocks}[precision]
    files = save(image_graph(checkpoint_of("b32").image, blocks), path)
    assert [file.name for file in files] == ["tower.onnx", "tower.onnx_data"]
    return path


def beside(tower: Path) -> list[Path]:
    return [tower.with_name(f"{tower.name}_data")]


def opened(tower: Path, memory: CpuMemory, *, threads: int = 1) -> Session:
    return Session(
        tower, device=CPU, threads=threads, name="it", memory=memory, beside=beside(tower)
    )


@on_linux
def test_a_second_session_adds_no_weights(tower: Path, precision: str) -> None:
    (data,) = beside(tower)
    size = data.stat().st_size
    memory = {name: getattr(MEMORY[precision], name) for name in ("packed", "arena", "shared")}
    for shared in (True, False):
        argument = json.dumps({**memory, "shared": shared})
        done = subprocess.run(
            [sys.executable, "-c", GROWTH, tower, argument], capture_output=True, check=True
        )
        _, second, third = json.loads(done.stdout)
        # Left to itself, onnxruntime maps them anew: as the same pages, but once more.
        assert (second["Rss"] > 0.8 * size) is not shared
        assert max(second["Pss"], third["Pss"]) < 0.4 * size


@on_linux
def test_sessions_share_one_map_which_goes_with_the_last(tower: Path, precision: str) -> None:
    def maps() -> float:
        """Return how often the file is mapped: the bytes of its maps, by its own."""
        gc.collect()
        (data,) = beside(tower)
        lines = [
            line
            for line in Path("/proc/self/maps").read_text().splitlines()
            if line.endswith(str(data))
        ]
        ends = [[int(end, 16) for end in line.split()[0].split("-")] for line in lines]
        # Each session has a few vectors of its own, which are mapped beside.
        return round(sum(end - start for start, end in ends) / data.stat().st_size, 1)

    pixels = np.random.default_rng(0).integers(0, 256, (3, 224, 224, 3), dtype=np.uint8)
    alone = opened(tower, CpuMemory(packed=MEMORY[precision].packed))
    wanted = alone.run({"pixel_values": pixels}, "image_embeds")
    alone.close()
    assert maps() == 0
    sessions = [opened(tower, MEMORY[precision], threads=threads) for threads in (1, 2)]
    assert maps() == 1
    for session in sessions:
        np.testing.assert_array_equal(session.run({"pixel_values": pixels}, "image_embeds"), wanted)
    sessions.pop().close()
    assert maps() == 1
    sessions[0].run({"pixel_values": pixels}, "image_embeds")
    sessions.pop().close()
    assert maps() == 0


def test_other_files_under_the_same_names_are_other_weights(tower: Path, tmp_path: Path) -> None:
    copy = tmp_path / tower.name
    for path in (tower, *beside(tower)):
        copy.with_name(path.name).write_bytes(path.read_bytes())
    first = mapped_weights(copy, beside(copy))
    assert mapped_weights(copy, beside(copy)) is first
    assert mapped_weights(tower, beside(tower)) is not first
    (data,) = beside(copy)
    data.write_bytes(bytes(data.stat().st_size))
    assert mapped_weights(copy, beside(copy)) is not first


ARRAYS = st.tuples(
    st.sampled_from([np.float32, np.uint8, np.int8, np.int32, np.int64, np.float16, np.bool_]),
    st.lists(st.integers(0, 2**20), max_size=4),
    st.booleans(),
)


def layer_scaled(path: Path, side: int, operator: str) -> Path:
    """Save a product by channel between two transposes, whose scale lies beside the file."""
    rng = np.random.default_rng(0)
    arrays = {"scale": rng.uniform(1, 2, (1, side, 1, 1)), "weight": rng.normal(size=(side, side))}
    nodes = [
        helper.make_node("Transpose", ["x"], ["last"], perm=[0, 2, 3, 1]),
        helper.make_node("MatMul", ["last", "weight"], ["product"]),
        helper.make_node("Transpose", ["product"], ["first"], perm=[0, 3, 1, 2]),
        helper.make_node(operator, ["first", "scale"], ["scaled"]),
        helper.make_node("Transpose", ["scaled"], ["y"], perm=[0, 2, 3, 1]),
    ]
    shape = ["B", side, 4, 4]
    graph = helper.make_graph(
        nodes,
        "scaled",
        [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, ["B", 4, 4, side])],
        [numpy_helper.from_array(array.astype(np.float32), name) for name, array in arrays.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)])
    model.ir_version = 10
    onnx.save_model(
        model, path, save_as_external_data=True, location=f"{path.name}_data", size_threshold=0
    )
    return path


@pytest.mark.parametrize("operator", ["Mul", "Add"])
@pytest.mark.parametrize("side", [4, 6])
def test_a_weight_that_onnxruntime_transposes_is_not_shared(
    tmp_path: Path, side: int, operator: str
) -> None:
    """Of a square the untransposed one would fit as well, and give wrong rows."""
    path = layer_scaled(tmp_path / "scaled.onnx", side, operator)
    x = np.random.default_rng(1).normal(size=(2, side, 4, 4)).astype(np.float32)
    wanted = opened(path, CpuMemory()).run({"x": x}, "y")
    got = opened(path, CpuMemory(shared=True)).run({"x": x}, "y")
    np.testing.assert_array_equal(got, wanted)


def model_of(arrays: dict[str, tuple[Any, list[int], bool]]) -> bytes:
    tensors = []
    for number, (name, (dtype, shape, external)) in enumerate(arrays.items()):
        if not external:
            tensors.append(numpy_helper.from_array(np.zeros(2, dtype), name))
            continue
        kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
        tensor = onnx.TensorProto(name=name, data_type=kind, dims=shape, data_location=1)
        for key, value in (("offset", 64 * number), ("location", f"{name}.bin"), ("length", 7)):
            tensor.external_data.add(key=key, value=str(value))
        tensors.append(tensor)
    return helper.make_model(helper.make_graph([], "g", [], [], tensors)).SerializeToString()


def kind_of(dtype: DTypeLike) -> int:
    """Return a type by the numbers of TensorProto.DataType."""
    return int(helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))


@given(st.dictionaries(st.text(min_size=1, max_size=9), ARRAYS, max_size=5), st.data())
def test_external_tensors_are_those_of_the_package_onnx(
    arrays: dict[str, tuple[Any, list[int], bool]], data: st.DataObject
) -> None:
    content = model_of(arrays)
    found = external_tensors(content)
    assert found == {
        name: (f"{name}.bin", np.dtype(dtype), kind_of(dtype), tuple(shape), 64 * number)
        for number, (name, (dtype, shape, external)) in enumerate(arrays.items())
        if external and dtype is not np.bool_
    }
    cut = content[: data.draw(st.integers(0, len(content)))]
    flipped = bytearray(content)
    if flipped:
        flipped[data.draw(st.integers(0, len(flipped) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    for damaged in (cut, bytes(flipped)):
        with contextlib.suppress(ValueError):
            external_tensors(damaged)
