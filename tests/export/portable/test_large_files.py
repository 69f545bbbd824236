"""A tower whose weights are above protobuf's 2 GiB, from its file to rows.

The data is a sparse file: nearly all of it is a hole, which takes no disk.
"""

import sys
from pathlib import Path
from typing import Final

import numpy as np
import onnx
import onnxruntime
import pytest

from twinlens.bundle.specs import TextSpec
from twinlens.ort.device import CPU
from twinlens.ort.session import Session
from twinlens.ort.session_options import PLENTY, CpuMemory
from twinlens_export.graph.graph import Graph, ValueInfo, save, save_beside
from twinlens_export.graph.read_graph import read_graph
from twinlens_export.portable.fold import fold_constants
from twinlens_export.portable.interface import whole_ids
from twinlens_export.portable.standard import to_standard
from twinlens_export.quantization.activation_stats import FRUGAL, MAPPED

WIDTH: Final = 512
FEW: Final = 10_000
"""Rows of the table that is written."""
WORDS: Final = 1_100_000
"""Rows of that in the file that is made of it: 2.25 GB."""
SPEC: Final = TextSpec(context=8, pad_id=0, trim=True)

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="files there have no holes")


def table_of(rows: int) -> Graph:
    """Build a text tower that is the mean of its tokens' rows in a table of [rows, WIDTH]."""
    graph = Graph(
        name="mean of words",
        input=ValueInfo(name="input_ids", dtype=np.int64, shape=("batch", "tokens")),
        output=ValueInfo(name="text_embeds", dtype=np.float32, shape=("batch", WIDTH)),
    )
    # Broadcast: one row in memory, whatever their number.
    table = graph.weight("words", np.broadcast_to(np.float32(0), (rows, WIDTH)))
    words = graph.add("Gather", table, "input_ids")
    graph.add("ReduceMean", words, graph.constant([1], np.int64), keepdims=0, name="text_embeds")
    return graph


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """An ONNX file whose table has values in its first and last row; between them is a hole."""
    path, beside = save(table_of(FEW), tmp_path / "text_model.onnx")
    model = onnx.load(path, load_external_data=False)
    (table,) = (one for one in model.graph.initializer if one.name == "words")
    table.dims[0] = WORDS
    (length,) = (entry for entry in table.external_data if entry.key == "length")
    length.value = str(4 * WORDS * WIDTH)
    onnx.save_model(model, path)
    rows = np.memmap(beside, np.float32, "w+", shape=(WORDS, WIDTH))
    rows[0], rows[-1] = 1, 2
    rows.flush()
    assert beside.stat().st_size > 2**31 > 64 * 512 * beside.stat().st_blocks
    return path


def test_it_passes_the_checker_and_every_pass_and_opens_everywhere(large: Path) -> None:
    beside = large.with_name(f"{large.name}_data")
    onnx.checker.check_model(large, full_check=True)
    graph = fold_constants(to_standard(fold_constants(read_graph(large))))
    portable = large.with_name("portable.onnx")
    save_beside(whole_ids(graph, SPEC), portable, large)
    onnx.checker.check_model(portable, full_check=True)
    ids = {"input_ids": np.array([[0, WORDS - 1, WORDS - 1, 1]])}
    for file in (large, portable):
        (rows,) = onnxruntime.InferenceSession(file).run(None, ids)
        np.testing.assert_array_equal(rows, np.full((1, WIDTH), 1.25, np.float32))
        for memory in (PLENTY, FRUGAL, MAPPED, CpuMemory(arena=False, folded=False)):
            session = Session(
                file, device=CPU, threads=1, name="text", memory=memory, beside=(beside,)
            )
            np.testing.assert_array_equal(session.run(ids, "text_embeds"), rows)
            session.close()
