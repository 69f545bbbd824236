"""Forked workers of a preloaded model, killed at any moment: the others answer as before."""

import os
import random
import select
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from bench.faults.bundles import PICTURES, TEXTS
from bench.faults.campaign import Act, Case, ChangedAnswer

WORKERS: Final = 3
RIGHT, WRONG = b".", b"x"
PATIENCE_S: Final = 1.5
"""Time in which a sibling must answer; less than the deadline, so that its stacks are told."""
Work = Callable[[], bool]
"""Embeds once; returns True if the rows are those from before the fork."""


@dataclass(slots=True)
class Child:
    """Forked worker: a byte for each of its answers comes through its pipe."""

    pid: int
    answers: int

    def answered(self) -> None:
        """Wait for an answer that was begun after this call; where none comes, for ever.

        Raises:
            ChangedAnswer: it has died, or its rows are not those from before the fork.
        """
        # The pipe is emptied first; then one answer may have been under way.
        wanted, until = 2, time.monotonic() + PATIENCE_S
        os.set_blocking(self.answers, False)
        while os_read(self.answers):
            continue
        while wanted > 0:
            left = until - time.monotonic()
            if left <= 0 or not select.select([self.answers], [], [], left)[0]:
                self._hang()
            got = os.read(self.answers, 4096)
            if WRONG in got:
                raise ChangedAnswer("a forked worker's rows differ from its parent's")
            if not got:
                raise ChangedAnswer("a forked worker died of itself")
            wanted -= len(got)

    def _hang(self) -> None:
        """Have the worker write its stacks, and wait until this process is ended for the hang."""
        os.kill(self.pid, signal.SIGUSR1)
        while True:
            signal.pause()

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self.answers)


def os_read(pipe: int) -> bytes:
    try:
        return os.read(pipe, 65_536)
    except BlockingIOError:
        return b""


def forked(work: Work) -> Child:
    """Fork a worker that embeds without end."""
    theirs, ours = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(theirs)
        try:
            while True:
                os.write(ours, RIGHT if work() else WRONG)
        finally:
            os._exit(1)
    os.close(ours)
    return Child(pid, theirs)


class Forks:
    """A round: one of three workers is killed while it embeds; its siblings and parent go on."""

    name = "forks"
    count = 500
    small_count = 3
    fresh = False
    refusals = ()

    def environment(self) -> Mapping[str, str]:
        return {}

    def draw(self, rng: random.Random, _number: int) -> Case:
        wait_s = rng.choice((0.0, rng.uniform(0, 0.003), rng.uniform(0.002, 0.02)))
        kind = rng.choice(("texts", "pictures", "files of pictures"))
        return Case(
            kind=kind, detail=f"{wait_s * 1e3:.2f} ms", content=(rng.randrange(WORKERS), wait_s)
        )

    def keep(self, case: Case, place: Path) -> None:
        (place / "round").write_text(
            f"{case.kind}, worker {case.content[0]}, after {case.detail}\n"
        )

    def opened(self) -> Act:
        works = preloaded()
        children: dict[str, list[Child]] = {}

        def act(case: Case) -> str:
            work, (place, wait_s) = works[case.kind], case.content
            for kind in [kind for kind in children if kind != case.kind]:
                for child in children.pop(kind):
                    child.kill()
            own = children.setdefault(case.kind, [])
            while len(own) < WORKERS:
                own.append(forked(work))
            time.sleep(wait_s)
            own.pop(place).kill()
            if not work():
                raise ChangedAnswer("the parent's rows differ from those before the fork")
            for child in own:
                child.answered()
            return "all answer"

        return act


def preloaded() -> dict[str, Work]:
    """Return the acts of the workers, on a model that was loaded and used before any fork."""
    import twinlens  # noqa: PLC0415
    from twinlens.loading import folder_of  # noqa: PLC0415

    model = twinlens.load("demo", device="cpu", threads=1)
    paths = [folder_of("demo").parent / "drawings" / name for name in PICTURES]
    pixels = [np.full((64, 64, 3), shade, np.uint8) for shade in (0, 100, 200)]
    rows = {
        "texts": lambda: model.embed_texts(TEXTS),
        "pictures": lambda: model.embed_images(pixels),
        "files of pictures": lambda: model.embed_images(paths),
    }
    wanted = {kind: embed() for kind, embed in rows.items()}
    return {
        kind: lambda embed=embed, kind=kind: bool(np.array_equal(embed(), wanted[kind]))
        for kind, embed in rows.items()
    }
