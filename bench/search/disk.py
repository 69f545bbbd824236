"""Memory and time of an index on disk: of many rows, and of batches that find cold storage.

Each figure comes from a process of its own that opens the index and searches it. Resident memory
counts mapped pages too (VmHWM, the most there ever was).
"""

import json
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import twinlens
import twinlens_kernels
from bench.harness.answers import claim_stdout
from bench.harness.memory import memory_mb
from bench.harness.processes import answer_of
from bench.harness.timing import spent_by, wall_ms
from bench.search.corpus import BLOCK, draw, family, queries
from bench.search.ground_truth import agreement, brute_force
from twinlens.normalization import unit_rows

WIDTH = 512
MANY, COLD_ROWS = 10_000_000, 1_000_000
PIECE = 32 * BLOCK
COMPARED = 16
PARTS = ("write", "memory", "cold")
COLD_ROUNDS = 5


def measure_disk(work: Path, part: str, many: int = MANY, cold_rounds: int = COLD_ROUNDS) -> None:
    """Run one of PARTS: `write` makes the indexes, the others FOLDER/disk-PART.json.

    Args:
        work: The folder.
        part: One of PARTS.
        many: Rows of the larger index: 2.6 KB of disk each. 0 writes none, for `cold` alone.
        cold_rounds: Rounds of `cold`.
    """
    work.mkdir(parents=True, exist_ok=True)
    if part == "write":
        write(work / "index-1m", COLD_ROWS, residual=False)
        write(work / "index-1m-residual", COLD_ROWS, residual=True)
        if many > 0:
            write(many_folder(work, many), many, residual=False)
            truth(many_folder(work, many))
        return
    found = memory(work, many) if part == "memory" else cold(work, cold_rounds)
    text = json.dumps(found, indent=1)
    (work / f"disk-{part}.json").write_text(text + "\n", encoding="utf-8")
    print(text)


def many_folder(work: Path, many: int) -> Path:
    return work / f"index-{many // 1_000_000}m-many"


def write(folder: Path, n_rows: int, *, residual: bool) -> None:
    """Write the index of that many rows; a run that was cut goes on after a piece."""
    if not (folder / "index.json").exists():
        twinlens.Index.write(folder, blocks(0, min(PIECE, n_rows)), residual=residual)
    index = twinlens.Index.open(folder)
    while len(index) < n_rows:
        index.add(blocks(len(index), min(len(index) + PIECE, n_rows)))
    # Only pages that lie on the disk can be dropped from memory.
    os.sync()


def blocks(start: int, stop: int) -> Iterator[NDArray[np.float32]]:
    """Yield rows of the corpus of width 512, block by block; start is a multiple of BLOCK."""
    shared = family(WIDTH)
    for first in range(start, stop, BLOCK):
        yield draw(shared, "rows", first // BLOCK, BLOCK)[: stop - first]


def truth(folder: Path) -> Path:
    """Return the file with ids [16, 1000] of the best of an index's rows as stored."""
    path = folder.with_name(f"truth-{folder.name}.npy")
    if not path.exists():
        # An index scales what it is given to length 1 once more: last bits change, and with them
        # the order of rows that nearly tie.
        asked = unit_rows(queries(COMPARED, WIDTH, "text"))
        np.save(path, brute_force(asked, stored_rows(folder)))
    return path


def stored_rows(folder: Path) -> NDArray[np.float32]:
    """Return the rows [N, 512] of an index, mapped."""
    (file,) = folder.glob("rows*")
    return np.memmap(file, dtype=np.float32, mode="r").reshape(-1, WIDTH)


def memory(work: Path, many: int) -> dict[str, Any]:
    """Measure memory and time of many rows, with one thread and with two."""
    folder = many_folder(work, many)
    return {
        "rows": many,
        "bytes": sum(file.stat().st_size for file in folder.iterdir()),
        "searched": [from_fresh_process(folder, threads, "all") for threads in (1, 2)],
    }


def cold(work: Path, n_rounds: int) -> list[dict[str, Any]]:
    """Time Q=16, k=100 over a million rows, with all, none or only the codes in memory."""
    found = []
    for name in ("index-1m", "index-1m-residual"):
        folder = work / name
        for dropped in ("nothing", "rows", "everything"):
            rounds = []
            for _ in range(n_rounds):
                for file in folder.iterdir():
                    keep = dropped == "nothing" or (
                        dropped == "rows" and not file.name.startswith("rows")
                    )
                    (warm_up if keep else drop)(file)
                rounds.append(from_fresh_process(folder, 1, "once"))
            found.append({"index": name, "not_in_memory": dropped, "rounds": rounds})
    return found


def warm_up(file: Path) -> None:
    """Read the file, so that its pages are in memory."""
    with file.open("rb", buffering=0) as stream:
        while stream.read(1 << 24):
            pass


def drop(file: Path) -> None:
    """Ask the kernel to forget the file's pages; it takes no rights, but clean pages."""
    descriptor = os.open(file, os.O_RDONLY)
    os.fsync(descriptor)
    os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(descriptor)


def from_fresh_process(folder: Path, threads: int, part: str) -> dict[str, Any]:
    """Return the facts that a fresh process finds."""
    return answer_of("bench.search.disk", folder, threads, part)


def open_and_search(folder: Path, threads: int, part: str) -> dict[str, Any]:
    """Open and search; return times, and memory after each step."""
    asked = queries(256, WIDTH, "text")
    facts: dict[str, Any] = {
        "threads": threads,
        "path": twinlens_kernels.PATH,
        "before": resident_mb(),
    }
    index, spent = spent_by(lambda: twinlens.Index.open(folder))
    facts["open_ms"] = spent.wall_ms
    facts["opened"] = resident_mb()
    if part == "once":
        facts["search_ms"] = timed(index, asked[:16], 100, threads, rounds=1)[0]
        return facts
    facts["search_ms"] = {}
    for n_queries in (1, 16, 256):
        for k in (10, 100, 1000):
            times = timed(index, asked[:n_queries], k, threads, rounds=4)
            facts["search_ms"][f"Q={n_queries}, k={k}"] = {
                "first": times[0],
                "median_of_rest": float(np.median(times[1:])),
            }
            facts[f"after Q={n_queries}, k={k}"] = resident_mb()
    found = index.search(asked[:COMPARED], k=1000, threads=threads)
    facts["found"] = agreement(found.ids, np.load(truth(folder)))
    return facts


def timed(
    index: twinlens.Index, asked: NDArray[np.float32], k: int, threads: int, rounds: int
) -> Sequence[float]:
    return wall_ms(lambda: index.search(asked, k=k, threads=threads), rounds)


def resident_mb() -> dict[str, float]:
    """Return resident memory at most and now, of our own and of mapped files."""
    return {field: memory_mb(field) for field in ("VmHWM", "VmRSS", "RssAnon", "RssFile")}


if __name__ == "__main__":
    folder, threads, part = sys.argv[1:]
    claim_stdout()(open_and_search(Path(folder), int(threads), part))
