"""Fuzzing of the loader: damaged files that would crash, stop or bloat it.

    python -m bench.input.fuzz_images [--count 10000] [--seed 0] [--deadline-s 5]

Every file goes through `twinlens.images.load` in a process of its own kind: one that dies, or does
not answer in time, is replaced and counted. Any end but pixels or an ImageError is a failure, and
its file is kept. The resident set is read after the first tenth and at the end.
"""

import argparse
import collections
import json
import multiprocessing
import random
import sys
import time
import warnings
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from bench.harness.memory import memory_mb
from bench.harness.paths import BUILD, ROOT

# The tests keep the mutations beside their own use of them.
sys.path.append(str(ROOT / "tests" / "kit"))

import PIL
from mutations import mutated, seeds

from twinlens.bundle.specs import ImageSpec
from twinlens.errors import ImageError
from twinlens.images.load import load
from twinlens.images.read_options import ReadOptions

SPECS = (
    ImageSpec(side_px=32),
    ImageSpec(side_px=8),
    ImageSpec(side_px=32, resize="squash"),
    ImageSpec(side_px=32, resize="pad"),
)


def serve(connection: Connection) -> None:
    """Load each file that comes, and send the outcome."""
    warnings.simplefilter("ignore")
    number = 0
    while (content := connection.recv()) is not None:
        number += 1
        mode = ("exact", "fast")[number % 2]
        read = ReadOptions(profiles=number % 3 == 0)
        began = time.perf_counter()
        try:
            load(content, SPECS[number % len(SPECS)], mode=mode, read=read)
            outcome = "pixels"
        except ImageError:
            outcome = "ImageError"
        except BaseException as error:  # noqa: BLE001  any other end is what is sought
            outcome = f"{type(error).__name__}: {error}"
        connection.send((outcome, time.perf_counter() - began, memory_mb("VmRSS")))


class Loader:
    """Process that loads files for the asking side."""

    def __init__(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=serve, args=(theirs,), daemon=True)
        self._process.start()
        theirs.close()

    def load(self, content: bytes, deadline_s: float) -> tuple[str, float, float]:
        self._connection.send(content)
        if not self._connection.poll(deadline_s):
            return "no answer in time", deadline_s, 0.0
        try:
            return self._connection.recv()
        except EOFError:
            self._process.join()
            return f"died: {self._process.exitcode}", 0.0, 0.0

    def end(self) -> None:
        self._process.kill()
        self._process.join()


def fuzz(options: argparse.Namespace) -> dict[str, Any]:
    """Load the damaged files; return the counts, and keep the files that fail."""
    rng, files = random.Random(options.seed), seeds()
    kinds, contents = list(files), list(files.values())
    loader, lost = Loader(), 0
    for content in contents:
        loader.load(content, 60)  # imports
    outcomes: dict[str, collections.Counter[str]] = {kind: collections.Counter() for kind in kinds}
    slowest, resident = (0.0, ""), []
    for number in range(options.count):
        kind = kinds[number % len(kinds)]
        content = mutated(files[kind], contents, rng)
        outcome, took_s, resident_now = loader.load(content, options.deadline_s)
        outcomes[kind][outcome] += 1
        slowest = max(slowest, (took_s, f"{kind}, file {number}"))
        resident.append(resident_now)
        if outcome not in ("pixels", "ImageError"):
            lost += 1
            options.keep.mkdir(parents=True, exist_ok=True)
            (options.keep / f"{options.seed}-{number}").write_bytes(content)
            print(f"{kind}, file {number}: {outcome}")
            loader.end()
            loader = Loader()
    loader.end()
    tenth = max(1, options.count // 10)
    return {
        "files": options.count,
        "seed": options.seed,
        "pillow": PIL.__version__,
        "neither pixels nor ImageError": lost,
        "outcomes": {kind: dict(counts) for kind, counts in outcomes.items()},
        "slowest_ms": [round(slowest[0] * 1e3, 1), slowest[1]],
        "resident_mb after a tenth, at the end": [max(resident[:tenth]), max(resident[-tenth:])],
    }


def main() -> None:
    program = "python -m bench.input.fuzz_images"
    parser = argparse.ArgumentParser(program, description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--deadline-s", type=float, default=5.0)
    parser.add_argument("--keep", type=Path, default=BUILD / "fuzz")
    report = fuzz(parser.parse_args())
    print(json.dumps(report, indent=1))
    sys.exit(1 if report["neither pixels nor ImageError"] else 0)


if __name__ == "__main__":
    main()
