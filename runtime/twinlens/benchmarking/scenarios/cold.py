"""Cold: the first rows of a fresh process, and rows that are asked for once a second."""

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from twinlens.benchmarking.errors import WorkerError
from twinlens.benchmarking.inputs import Items
from twinlens.benchmarking.measures.quantiles import Quantiles
from twinlens.benchmarking.measures.series import Recorder
from twinlens.benchmarking.record import Result
from twinlens.benchmarking.scenarios import cold_start
from twinlens.benchmarking.scenarios.probe import CLOCK, Clock, Probe
from twinlens.errors import quoted

LEAST: Final = 2
"""Fresh processes, whatever the time."""
MOST: Final = 20
GAP_S: Final = 1.0
PATIENCE_S: Final = 120.0
NAME: Final = "from a fresh process to an image and a text"


def from_nothing(load: Mapping[str, object], items: Items, *, seconds: float) -> Result:
    """Start fresh processes one after the other, and time each to its first image and text."""
    recorder, parts = Recorder(), list[dict[str, float]]()
    until = time.perf_counter() + seconds
    with tempfile.TemporaryDirectory() as folder:
        image = Path(folder) / "image"
        image.write_bytes(items.images[0])
        asked = json.dumps({"load": dict(load), "image": str(image), "text": items.texts[0]})
        while len(parts) < LEAST or (time.perf_counter() < until and len(parts) < MOST):
            begun = time.perf_counter()
            parts.append(_answer(asked))
            wall_ms = 1e3 * (time.perf_counter() - begun)
            recorder.add([wall_ms], [1e3 * parts[-1]["cpu_s"]])
    names = set.intersection(*(set(part) for part in parts))
    return Result(
        scenario="cold",
        name=NAME,
        query="image",
        quantiles=Quantiles.of(recorder.series().wall_ms),
        cpu_ms_per_item=statistics.median(recorder.cpu_ms),
        series=recorder.series(),
        notes={
            name: round(statistics.median(part[name] for part in parts), 4)
            for name in sorted(names)
        },
    )


def _answer(asked: str) -> dict[str, float]:
    """Return the seconds of each part in one fresh process, and its memory.

    Raises:
        WorkerError: it ended without an answer.
    """
    # As a script, for -m would import the package before the clock runs.
    command = [sys.executable, "-P", str(Path(cold_start.__file__))]
    try:
        done = subprocess.run(  # noqa: S603  this interpreter
            command,
            input=f"{asked}\n",
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
        return dict(json.loads(done.stdout.splitlines()[-1]))
    except (subprocess.TimeoutExpired, ValueError, IndexError) as error:
        said = "" if isinstance(error, subprocess.TimeoutExpired) else done.stderr.strip()[-200:]
        raise WorkerError(
            f"a fresh process gave no first rows ({quoted(said or error)}); try twinlens demo"
        ) from error


def once_a_second(
    probes: Sequence[Probe],
    *,
    seconds: float,
    clock: Clock = CLOCK,
    sleep: Callable[[float], object] = time.sleep,
) -> list[Result]:
    """Ask each query in turn, a second after the last answer: caches and clocks have cooled."""
    recorders = [Recorder() for _ in probes]
    until, number = clock.wall() + seconds, 0
    while clock.wall() < until or number < len(probes):
        sleep(GAP_S)
        place = number % len(probes)
        cpu, wall = clock.cpu(), clock.wall()
        probes[place].act(number)
        spent_ms = 1e3 * (clock.wall() - wall)
        recorders[place].add([spent_ms], [1e3 * (clock.cpu() - cpu)] if probes[place].here else ())
        number += 1
    return [
        Result(
            scenario="cold",
            name=f"{probe.name}, asked once a second",
            query=probe.query,
            quantiles=Quantiles.of(recorder.series().wall_ms),
            cpu_ms_per_item=statistics.median(recorder.cpu_ms) if recorder.cpu_ms else None,
            series=recorder.series(),
        )
        for probe, recorder in zip(probes, recorders, strict=True)
    ]
