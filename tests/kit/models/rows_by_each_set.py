"""Rows of bundles by each instruction set that runs here: a process chooses its set once."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from twinlens_kernels import operators

EMBED: Final = """
import sys
import numpy as np
import twinlens
from twinlens_kernels import operators

out, *bundles = sys.argv[1:]
noise = np.random.default_rng(7).integers(0, 256, (6, 97, 130, 3), dtype=np.uint8)
flat = [np.full((40, 40, 3), shade, dtype=np.uint8) for shade in (0, 128, 255)]
texts = ["a", "a red square", "", "many words " * 4, "the same, again", "7"]
arrays = {}
for number, (bundle, precision) in enumerate(zip(bundles[::2], bundles[1::2], strict=True)):
    model = twinlens.load(bundle, precision=precision, device="cpu", threads=2, reproducible=True)
    own = operators.bf16_path() if precision == "bf16" else operators.reproducible_path()
    assert model.about["operators"] == own
    arrays[f"{number} images"] = model.embed_images([*noise, *flat])
    arrays[f"{number} one image"] = model.embed_images([noise[0]])
    arrays[f"{number} texts"] = model.embed_texts(texts)
    arrays[f"{number} one text"] = model.embed_texts(texts[1:2])
np.savez(out, **arrays)
"""
ROWS: Final = 17
"""Rows of each bundle."""


def rows_by_each_set(
    bundles: Sequence[tuple[str | Path, str]], folder: Path
) -> dict[str, Mapping[str, Any]]:
    """Return the arrays of EMBED, of bundles in a precision, by the name of each set."""
    asked = [str(part) for pair in bundles for part in pair]
    started = {
        name: subprocess.Popen(
            [sys.executable, "-c", EMBED, str(folder / f"{name}.npz"), *asked],
            env={**os.environ, operators.VARIABLE: name},
        )
        for name in operators.runnable()
    }
    assert [process.wait() for process in started.values()] == [0] * len(started)
    return {name: np.load(folder / f"{name}.npz") for name in started}


def different(found: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[str, str, int]]:
    """Yield a set, an array and the number of its rows, where rows differ in a bit from the first.

    All rows are counted: a set that has fewer than `ROWS` a bundle fails.
    """
    first, *_ = found.values()
    for name, arrays in found.items():
        total = 0
        for part in first:
            total += len(arrays[part])
            differ = arrays[part].view(np.uint32) != first[part].view(np.uint32)
            if count := int(differ.any(axis=1).sum()):
                yield name, part, count
        assert total == ROWS * len(first) // 4
