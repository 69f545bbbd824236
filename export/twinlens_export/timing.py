"""The speed of an exported tower on this machine: an indication, not a benchmark."""

import statistics
import time
from dataclasses import dataclass
from typing import Final

import numpy as np

from twinlens.bundle.bundle import Bundle
from twinlens.bundle.manifest import TowerFile
from twinlens.bundle.specs import ImageSpec, Modality, TextSpec
from twinlens.ort.device import CPU
from twinlens.ort.session import Session
from twinlens.threads import usable_threads
from twinlens_export.graph.graph import Array

RUNS: Final = 3
LONG_S: Final = 2.0
"""Time of the runs after which no further one is begun."""
BATCH: Final = 8
TOKENS: Final = 12
"""Tokens of a typical text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Speed:
    """Milliseconds an item, medians of at most RUNS runs on all threads."""

    one_ms: float
    """One at a time."""
    batch_ms: float
    """In batches of BATCH."""


def speed_columns(bundle: Bundle) -> dict[str, list[str]]:
    """Return columns of the table of towers, by their heads; dashes for towers not for CPUs."""
    manifest, inputs = bundle.manifest, dict[Modality, Array]()
    if manifest.image is not None:
        inputs["image"] = _images(manifest.image)
    if manifest.text is not None:
        inputs["text"] = _texts(manifest.text)
    speeds = [
        None if towers.device == "cuda" else _speed(bundle, tower, inputs[modality])
        for towers in manifest.towers.values()
        for modality, tower in towers.there().items()
    ]
    return {
        "ms, one": ["-" if speed is None else f"{speed.one_ms:.1f}" for speed in speeds],
        f"ms, of {BATCH}": ["-" if speed is None else f"{speed.batch_ms:.1f}" for speed in speeds],
    }


def _speed(bundle: Bundle, tower: TowerFile, items: Array) -> Speed:
    path = bundle.path(tower.file)
    session = Session(path, device=CPU, threads=usable_threads(), name=str(path))

    def median_ms(batch: Array) -> float:
        session.run({tower.input: batch}, tower.output)  # warm-up: the first run allocates
        taken = []
        for _ in range(RUNS):
            start = time.perf_counter()
            session.run({tower.input: batch}, tower.output)
            taken.append(time.perf_counter() - start)
            if sum(taken) > LONG_S:
                break
        return 1000 * statistics.median(taken) / len(batch)

    return Speed(one_ms=median_ms(items[:1]), batch_ms=median_ms(items))


def _images(image: ImageSpec) -> Array:
    """Return grey images [B, S, S, 3]: the time does not depend on the content."""
    return np.full((BATCH, image.side_px, image.side_px, 3), 128, dtype=np.uint8)


def _texts(text: TextSpec) -> Array:
    tokens = min(TOKENS, text.context) if text.trim else text.context
    return np.full((BATCH, tokens), 1 if text.pad_id != 1 else 0, dtype=np.int64)
