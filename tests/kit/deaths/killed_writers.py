"""Index writers killed in the middle of a change; a script, because fork needs a single thread.

    killed_writers.py steps FOLDER   exit a writer before each of its system calls
    killed_writers.py signals FOLDER kill a writer by SIGKILL at random moments
    killed_writers.py codes FOLDER   as steps, on an index of codes alone; some of the changes

After each kill the index must open as it was before the change or after it, complete, and accept an
append. Prints the number of kills.
"""

import os
import random
import shutil
import signal
import sys
import time
from collections.abc import Callable, Collection
from pathlib import Path
from types import FrameType

import numpy as np
from dying import dies

from twinlens.index.index import Index

VECTORS = np.random.default_rng(0).standard_normal((4000, 16)).astype(np.float32)
EFFECTS = {"open", "write", "flush", "truncate", "replace", "unlink", "mkdir"}
"""Calls that may change the folder."""
N_ASKED = 1000
OPTIONS = {"residual": True}
"""Of the indexes that are built."""


def rows(start: int, stop: int) -> tuple[np.ndarray, list[str]]:
    return VECTORS[start:stop], [f"row {number}" for number in range(start, stop)]


def build(folder: Path) -> None:
    vectors, names = rows(0, 40)
    Index.write(folder, vectors, ids=names, **OPTIONS)
    index = Index.open(folder)
    index.add(*rows(40, 50))
    index.remove(["row 3"])


def save_over(folder: Path) -> None:
    vectors, names = rows(0, 20)
    Index.build(vectors, ids=names).save(folder)


def check(folder: Path, sizes: set[int]) -> int:
    """Verify the index, search for every row, and append; return its size before the append."""
    index = Index.open(folder, verify=True)
    assert len(index) in sizes, (len(index), sizes)
    found = index.search(VECTORS[:N_ASKED], k=1)
    here = found.cosines[:, 0] > 0.9999999 - index.error
    assert here.sum() == len(index)
    assert found.ids[here, 0].tolist() == [f"row {row}" for row in np.flatnonzero(here)]
    size = len(index)
    vectors, names = rows(3000, 3007)
    index.add(vectors, ids=names)
    again = Index.open(folder, verify=True)
    assert len(again) == size + 7
    assert again.search(vectors, k=1).ids[:, 0].tolist() == names
    return size


def update(folder: Path) -> None:
    """Replace two rows by the same ones, and append five."""
    vectors, names = rows(5, 7)
    more, others = rows(50, 55)
    Index.open(folder).update(np.concatenate([vectors, more]), ids=names + others)


def merge(folder: Path) -> None:
    parts = [Index.build(vectors, ids=names) for vectors, names in (rows(50, 57), rows(60, 63))]
    parts[0].remove(["row 52"])
    Index.open(folder).merge(*parts)


def write_singly(folder: Path) -> None:
    """Commit three rows, and the other two at the end."""
    vectors, names = rows(50, 55)
    with Index.open(folder).writer(size=3) as writer:
        for vector, name in zip(vectors, names, strict=True):
            writer.add(vector, [name])


CHANGES: dict[str, tuple[Callable[[Path], None], set[int]]] = {
    "add": (lambda folder: Index.open(folder).add(*rows(50, 60)), {49, 59}),
    "remove": (lambda folder: Index.open(folder).remove(["row 7", "row 8"]), {49, 47}),
    "compact": (lambda folder: Index.open(folder).compact(), {49}),
    "save over": (save_over, {49, 20}),
    "update": (update, {49, 54}),
    "merge": (merge, {49, 58}),
    "write singly": (write_singly, {49, 52, 54}),
}


def has_effect(_frame: FrameType, event: str, function: object) -> bool:
    """Return True for a call that changes the disk."""
    return event == "c_call" and getattr(function, "__name__", "") in EFFECTS


def by_steps(place: Path, changes: Collection[str] = tuple(CHANGES)) -> int:
    deaths = 0
    build(place / "whole")
    for name in changes:
        change, sizes = CHANGES[name]
        seen, step, dead = set(), 0, True
        while dead:
            folder = shutil.copytree(place / "whole", place / name)
            dead = dies(change, folder, step, counts=has_effect)
            seen.add(check(folder, sizes))
            shutil.rmtree(folder)
            deaths, step = deaths + dead, step + 1
        assert seen == sizes, name
    return deaths + new_index_by_steps(place / "new")


def new_index_by_steps(folder: Path) -> int:
    """Kill a writer of a new index: without index.json it can be written again."""
    step, whole = 0, False
    while not whole:
        whole = not dies(build, folder, step, counts=has_effect)
        if (folder / "index.json").exists():
            check(folder, {40, 50, 49})
        elif folder.exists():
            save_over(folder)
            check(folder, {20})
        shutil.rmtree(folder, ignore_errors=True)
        step += 1
    return step - 1


def codes_by_steps(place: Path) -> int:
    OPTIONS["codes_only"] = True
    deaths = by_steps(place, ("update",))
    assert Index.open(place / "whole").kept == "codes16"
    return deaths


def add_for_ever(folder: Path) -> None:
    index = Index.open(folder)
    while True:
        start = int(index.search(VECTORS[:1], k=4000).ids.size) + 1
        index.add(*rows(start, start + 10))
        if start % 50 == 0:
            index.compact()


def by_signals(place: Path) -> int:
    pick = random.Random(0)
    for number in range(25):
        folder = place / str(number)
        build(folder)
        child = os.fork()
        if child == 0:
            try:
                add_for_ever(folder)
            finally:
                os._exit(1)
        time.sleep(pick.uniform(0.001, 0.05))
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        assert os.WIFSIGNALED(status), status
        check(folder, set(range(49, N_ASKED, 10)))
    return 25


if __name__ == "__main__":
    # fsync guards against power failure, not against a killed process, and takes most of the time.
    os.fsync = lambda _: None  # type: ignore[assignment]
    acts = {"steps": by_steps, "signals": by_signals, "codes": codes_by_steps}
    print(acts[sys.argv[1]](Path(sys.argv[2])))  # noqa: T201
