"""Limits of memory just above the need: rows, or an error that says so."""

import math
import random
import resource
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import numpy as np

from bench.faults.campaign import Act, Case
from twinlens.errors import TwinlensError

VALUES: Final = 40
"""Limits on each number of threads, for each kind of input."""
STRIDE: Final = 17
LEAST_KB, MOST_KB = 16, 262_144
"""Address space above that of the loaded model; threads' arenas alone reserve 64 MiB each."""
KINDS: Final = ("texts", "pictures", "files of pictures", "loading")
THREADS: Final = (1, 2)


class MemoryLimits:
    """A process a case: RLIMIT_AS is set, a batch is embedded or a model loaded."""

    name = "memory_limits"
    count = VALUES * len(KINDS) * len(THREADS)
    small_count = 2
    fresh = True
    refusals = (MemoryError, TwinlensError)

    def environment(self) -> Mapping[str, str]:
        return {}

    def draw(self, rng: random.Random, number: int) -> Case:
        kind, threads = KINDS[number % len(KINDS)], THREADS[number // len(KINDS) % len(THREADS)]
        # By strides, so that a short run has limits from all of the range.
        step = number // (len(KINDS) * len(THREADS)) * STRIDE % VALUES
        share = (step + rng.random()) / VALUES
        above_kb = math.floor(LEAST_KB * (MOST_KB / LEAST_KB) ** share)
        return Case(
            kind=f"{kind}, {threads} threads",
            detail=f"{above_kb} KB",
            content=(kind, threads, above_kb),
        )

    def keep(self, case: Case, place: Path) -> None:
        kind, threads, above_kb = case.content
        (place / "limit").write_text(f"{kind}, {threads} threads, {above_kb} KB above the need\n")

    def opened(self) -> Act:
        import twinlens  # noqa: PLC0415  heavy
        from twinlens.loading import folder_of  # noqa: PLC0415

        models = {n: twinlens.load("demo", device="cpu", threads=n) for n in THREADS}
        drawings = sorted((folder_of("demo").parent / "drawings").iterdir())
        pictures = [np.full((64, 64, 3), shade, np.uint8) for shade in range(64)]
        texts = [f"a caption of a picture, number {n}" for n in range(256)]
        for model in models.values():
            model.embed_texts(texts[:1])
            model.embed_images([*pictures[:1], drawings[0]])

        def act(case: Case) -> str:
            kind, threads, above_kb = case.content
            model = models[threads]
            before = resource.getrlimit(resource.RLIMIT_AS)
            resource.setrlimit(resource.RLIMIT_AS, (address_space() + above_kb * 1024, before[1]))
            try:
                if kind == "texts":
                    model.embed_texts(texts)
                elif kind == "pictures":
                    model.embed_images(pictures)
                elif kind == "loading":
                    twinlens.load("demo", device="cpu", threads=threads)
                else:
                    model.embed_images(drawings)
            finally:
                resource.setrlimit(resource.RLIMIT_AS, before)
            return "rows"

        return act


def address_space() -> int:
    """Return the bytes of address space that this process has taken."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    return pages * resource.getpagesize()
