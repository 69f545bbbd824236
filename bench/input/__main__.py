"""Time the way from files and texts to the towers' inputs, and compare it with the original's.

    python -m bench.input [SECTION ...] [--photos FOLDER] [--work FOLDER]

Every section runs in a process of its own, as threads are counted there, and leaves its lines in
FOLDER/lines; `merge` makes results/input.json of them, or results/input-MACHINE.json beside that of
another machine. Without a section: all of them. With the camera's photographs of photos.py in
--photos, the large pictures are more than mosaics of small photographs.
"""

import importlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from bench.harness.arguments import parser_of
from bench.harness.machine import commit, processor, versions
from bench.harness.paths import BUILD, ROOT
from bench.harness.processes import unset_slow_openblas
from bench.harness.results_file import one_row_a_line, place_of

unset_slow_openblas()

Line = dict[str, Any]
Section = Callable[[], Iterable[Line]]

WORK: Final = BUILD / "bench-input"
STREAMED: Final = 100_000
FILES: Final = 224
FILES_MEGAPIXELS: Final = 2.0
PARTS: Final = 2
ROUNDS_A_PART: Final = 2
PEERS: Final = (
    "numpy",
    "onnxruntime",
    "open_clip_torch",
    "opencv-python-headless",
    "pillow",
    "sentence-transformers",
    "tokenizers",
    "torch",
    "torchvision",
    "transformers",
)


def prepare(work: Path, photos: Path | None) -> Iterator[Line]:
    """Make all that is not timed: pictures, a checkpoint, its bundle, a traced graph."""
    pixels = importlib.import_module("bench.input.pixels")
    pixels.prepare(work, photos)
    folder = work / "files"
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(FILES):
        path = folder / f"{number:03}.jpg"
        if not path.exists():
            made, _ = pixels.picture(photos, number, FILES_MEGAPIXELS)
            pixels.TIMED[0].write(made, path)
    importlib.import_module("bench.input.torch_peers").prepare(work)
    yield {"photos": "shipped" if photos is None else "shipped and camera"}


def files(work: Path, part: int) -> Iterator[Line]:
    """Run a few rounds of all contenders from files to embeddings, in turn."""
    module = importlib.import_module("bench.input.files")
    with module.workers(work) as running:
        for turn in range(ROUNDS_A_PART):
            for name, worker in running.items():
                answer = worker.ask({})
                yield {"contender": name, "round": part * ROUNDS_A_PART + turn, **answer}
    yield from module.agreement(work)


def sections(work: Path, photos: Path | None) -> Mapping[str, Section]:
    """Return by name the function that measures a section."""

    def of(module: str, act: str, *arguments: object) -> Section:
        # Imported when it runs: a section loads its own libraries only.
        def run() -> Iterable[Line]:
            return getattr(importlib.import_module(f"bench.input.{module}"), act)(work, *arguments)

        return run

    found: dict[str, Section] = {"prepare": lambda: prepare(work, photos)}
    for threads in (1, 2):
        for form in ("JPEG", "PNG", "WEBP"):
            found[f"pixels-{form}-{threads}"] = of("pixels", "speed", form, threads)
        found[f"words-{threads}"] = of("tokenizing", "speed", threads)
        found[f"overlap-{threads}"] = of("streams", "overlap", threads)
    for part in range(PARTS):
        found[f"files-{part}"] = lambda part=part: files(work, part)
    for size in (0.25, 2.0, 12.0, 24.0):
        found[f"agreement-{size}"] = of("pixels", "agreement", photos, size)
    found["memory"] = of("streams", "memory", STREAMED)
    return found


def run(work: Path, name: str, section: Section) -> None:
    """Run one section in this process; its lines replace those of its last run."""
    # tokenizers takes its threads from here, when it is first used.
    os.environ["RAYON_NUM_THREADS"] = name.rpartition("-")[2] if name.startswith("words") else "2"
    (work / "lines").mkdir(parents=True, exist_ok=True)
    stamp = {"section": name.partition("-")[0], "commit": commit()}
    unfinished = work / "lines" / f"{name}.part"
    with unfinished.open("w", encoding="utf-8") as file:
        for line in section():
            written = json.dumps({**stamp, **line})
            file.write(written + "\n")
            print(written, flush=True)
    unfinished.rename(unfinished.with_suffix(".jsonl"))


def merge(work: Path) -> None:
    """Write all lines there are as the results of this machine."""
    lines = [
        json.loads(text)
        for path in sorted((work / "lines").glob("*.jsonl"))
        for text in path.read_text(encoding="utf-8").splitlines()
    ]
    document = {
        "question": "ms from a file to pixels, texts a second, ms from a file to an embedding",
        "commits": sorted({line["commit"] for line in lines}),
        "processor": processor(),
        "versions": versions(PEERS),
        **importlib.import_module("bench.input.tables").tables(lines),
    }
    place_of("input", document["processor"]).write_text(one_row_a_line(document), encoding="utf-8")


def main() -> None:
    parser = parser_of("bench.input", __doc__)
    parser.add_argument("sections", nargs="*", metavar="SECTION")
    parser.add_argument("--photos", type=Path, metavar="FOLDER")
    parser.add_argument("--work", type=Path, default=WORK, metavar="FOLDER")
    options = parser.parse_args()
    # A section's process runs from the repository's root.
    work, photos = options.work.resolve(), options.photos and options.photos.resolve()
    known = sections(work, photos)
    wanted = options.sections or [*known, "merge"]
    if unknown := set(wanted) - {*known, "merge"}:
        parser.error(f"no section {', '.join(unknown)}; there are {', '.join(known)}, merge")
    if wanted == ["merge"]:
        merge(work)
    elif len(wanted) == 1:
        run(work, wanted[0], known[wanted[0]])
    else:
        given = ["--work", str(work), *(["--photos", str(photos)] if photos else [])]
        for name in wanted:
            command = [sys.executable, "-m", "bench.input", name, *given]
            subprocess.run(command, check=True, cwd=ROOT)


if __name__ == "__main__":
    main()
