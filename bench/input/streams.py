"""Streams of images: decoding and tower on one processor, and memory over many images."""

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle, islice
from pathlib import Path
from typing import Any, Final

import numpy as np

import twinlens
from bench.harness.memory import memory_mb
from bench.harness.timing import rounds_in_turn
from bench.input.photos import sources
from twinlens.bundle.pixel_mode import PixelMode
from twinlens.bundle.specs import ImageSpec
from twinlens.images.load import load

Line = dict[str, Any]

SMALL_PX: Final = (160, 120)
SMALL_FILES: Final = 300
EVERY: Final = 1000
ROUNDS: Final = 5


def overlap(work: Path, threads: int) -> Iterator[Line]:
    """Yield ms an image for decoding alone, the tower alone, and both as embed_images does."""
    paths = sorted((work / "files").glob("*.jpg"))[:96]
    spec = ImageSpec(side_px=224)
    for pixels in ("exact", "fast"):
        model = twinlens.load(
            work / "bundle", device="cpu", precision="int8", pixels=pixels, threads=threads
        )
        ready = [load(path, spec, mode=pixels) for path in paths]

        acts: dict[str, Callable[[], object]] = {
            "decoding": lambda mode=pixels: decode(paths, spec, mode, threads),
            "tower": lambda model=model, ready=ready: model.embed_images(ready),
            "both": lambda model=model: model.embed_images(paths),
        }
        for act, spent in rounds_in_turn(acts, rounds=ROUNDS + 1).items():
            yield {
                "pixels": pixels,
                "threads": threads,
                "act": act,
                "ms": statistics.median(one.wall_ms / len(paths) for one in spent),
                "busy": statistics.median(one.cpu_ms / (one.wall_ms * threads) for one in spent),
            }


def decode(paths: Sequence[Path], spec: ImageSpec, mode: PixelMode, threads: int) -> None:
    with ThreadPoolExecutor(threads) as pool:
        for _ in pool.map(lambda path: load(path, spec, mode=mode), paths):
            pass


def small_files(work: Path) -> list[Path]:
    """Write some hundred small distinct JPEGs, cut out of the shipped photographs."""
    folder = work / "small"
    folder.mkdir(parents=True, exist_ok=True)
    (shipped, _), random = sources(None), np.random.default_rng(0)
    width, height = SMALL_PX
    for number in range(SMALL_FILES):
        photo = shipped[number % len(shipped)]
        left = int(random.integers(photo.width - width + 1))
        top = int(random.integers(photo.height - height + 1))
        path = folder / f"{number:03}.jpg"
        if not path.exists():
            photo.crop((left, top, left + width, top + height)).save(path, quality=85)
    return sorted(folder.glob("*.jpg"))


def memory(work: Path, count: int) -> Iterator[Line]:
    """Sample the resident set after every thousand of `count` files through the demo model."""
    paths = small_files(work)
    model = twinlens.load("demo", device="cpu")
    seen, begun = 0, time.perf_counter()
    samples: list[tuple[int, float]] = []
    for block in model.stream_images(islice(cycle(paths), count), block=EVERY):
        seen += len(block)
        samples.append((seen, memory_mb("VmRSS")))
    later = np.array(samples[1:])
    yield {
        "images": seen,
        "seconds": time.perf_counter() - begun,
        "first_mb": samples[0][1],
        "least_mb": later[:, 1].min(),
        "most_mb": later[:, 1].max(),
        "slope_bytes_an_image": float(1e6 * np.polyfit(later[:, 0], later[:, 1], 1)[0]),
        "peak_mb": memory_mb("VmHWM"),
        "samples_mb": [
            round(resident, 1) for _, resident in samples[:: max(1, len(samples) // 20)]
        ],
    }
