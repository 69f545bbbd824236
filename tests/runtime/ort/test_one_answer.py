"""Rows of an int8 bundle: the same to the bit by every instruction set that runs here.

TWINLENS_TEST_BUNDLE names another bundle, for one with towers of another shape.
"""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from twinlens_kernels import operators

EMBED = """
import sys
import numpy as np
import twinlens
from twinlens_kernels import operators

model = twinlens.load(sys.argv[1], precision="int8", device="cpu", threads=2)
assert model.about["operators"] == operators.path()
noise = np.random.default_rng(7).integers(0, 256, (6, 97, 130, 3), dtype=np.uint8)
flat = [np.full((40, 40, 3), shade, dtype=np.uint8) for shade in (0, 128, 255)]
texts = ["a", "a red square", "", "many words " * 4, "the same, again", "7"]
np.savez(
    sys.argv[2],
    images=model.embed_images([*noise, *flat]),
    one_image=model.embed_images([noise[0]]),
    texts=model.embed_texts(texts),
    one_text=model.embed_texts(texts[1:2]),
)
"""
BUNDLE = os.environ.get("TWINLENS_TEST_BUNDLE", "demo")
# AMX multiplies bfloat16 in its attention: the one exception, as compute.hpp says.
REPRODUCIBLE = tuple(name for name in operators.runnable() if name != "amx")


def rows_by(names: tuple[str, ...], folder: Path) -> dict[str, Mapping[str, Any]]:
    """Arrays of EMBED by each set, in processes of their own: a process chooses its set once."""
    started = {
        name: subprocess.Popen(
            [sys.executable, "-c", EMBED, BUNDLE, str(folder / f"{name}.npz")],
            env={**os.environ, operators.VARIABLE: name},
        )
        for name in names
    }
    assert [process.wait() for process in started.values()] == [0] * len(names)
    return {name: np.load(folder / f"{name}.npz") for name in names}


@pytest.mark.skipif(len(REPRODUCIBLE) < 2, reason="one set of operators runs here, or none")
def test_all_sets_give_the_same_bits(tmp_path: Path) -> None:
    found = rows_by(REPRODUCIBLE, tmp_path)
    first = found[REPRODUCIBLE[0]]
    different = {
        (name, part): int((rows[part].view(np.uint32) != first[part].view(np.uint32)).any(1).sum())
        for name, rows in found.items()
        for part in first
    }
    assert sum(len(rows[part]) for rows in found.values() for part in first) == 17 * len(found)
    assert {key: count for key, count in different.items() if count} == {}


def test_the_set_that_serves_runs_here() -> None:
    assert set(operators.runnable()) <= set(operators.PATHS)
    assert operators.path() in {*operators.runnable(), None}
