"""How fast do files and texts become what the towers take, and how near to the original?

    python -m bench.input [SECTION ...] [--photos FOLDER]

Every section runs in a process of its own, as threads are counted there, and leaves its lines in
build/bench-input/lines; `merge` makes results/input.json of them. Without a section: all of them.
With the camera's photographs of photos.py in the folder, the large pictures are more than mosaics
of small photographs.
"""

import argparse
import importlib
import json
import os
import platform
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

for name in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"):
    os.environ.pop(name, None)

Line = dict[str, Any]

ROOT: Final = Path(__file__).parents[2]
WORK: Final = ROOT / "build" / "bench-input"
RESULTS: Final = ROOT / "bench" / "results" / "input.json"
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


def prepare(photos: Path | None) -> Iterator[Line]:
    """Everything that is not timed: pictures, a checkpoint, its bundle, a traced graph."""
    pixels = importlib.import_module("bench.input.pixels")
    torch_peers = importlib.import_module("bench.input.torch_peers")
    pixels.prepare(WORK, photos)
    folder = WORK / "files"
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(FILES):
        path = folder / f"{number:03}.jpg"
        if not path.exists():
            made, _ = pixels.picture(photos, number, FILES_MEGAPIXELS)
            pixels.TIMED[0].write(made, path)
    torch_peers.prepare(WORK)
    yield {"photos": "shipped" if photos is None else "shipped and camera"}


def files(part: int) -> Iterator[Line]:
    """A few rounds of all contenders from files to embeddings, in turn, each in its own process."""
    contenders = importlib.import_module("bench.input.files")
    running = {name: contenders.start(WORK, name) for name in contenders.CONTENDERS}
    for turn in range(ROUNDS_A_PART):
        for name, process in running.items():
            answer = contenders.round_of(process)
            yield {"contender": name, "round": part * ROUNDS_A_PART + turn, **answer}
    for process in running.values():
        process.communicate()
    yield from contenders.agreement(WORK)


def sections(photos: Path | None) -> dict[str, Callable[[], Iterable[Line]]]:
    """By name, what each measures."""

    def of(module: str, act: str, *arguments: object) -> Callable[[], Iterable[Line]]:
        return lambda: getattr(importlib.import_module(f"bench.input.{module}"), act)(
            WORK, *arguments
        )

    found: dict[str, Callable[[], Iterable[Line]]] = {"prepare": lambda: prepare(photos)}
    for threads in (1, 2):
        for form in ("JPEG", "PNG", "WEBP"):
            found[f"pixels-{form}-{threads}"] = of("pixels", "speed", form, threads)
        found[f"words-{threads}"] = of("tokenizing", "words", threads)
        found[f"overlap-{threads}"] = of("streams", "overlap", threads)
    for part in range(PARTS):
        found[f"files-{part}"] = lambda part=part: files(part)
    for size in (0.25, 2.0, 12.0, 24.0):
        found[f"agreement-{size}"] = of("pixels", "agreement", photos, size)
    found["memory"] = of("streams", "memory", STREAMED)
    return found


def run(name: str, act: Callable[[], Iterable[Line]]) -> None:
    """One section, in this process; its lines replace those of its last run."""
    # tokenizers takes its threads from here, when it is first used.
    os.environ["RAYON_NUM_THREADS"] = name.rpartition("-")[2] if name.startswith("words") else "2"
    (WORK / "lines").mkdir(parents=True, exist_ok=True)
    stamp = {"section": name.partition("-")[0], "commit": commit()}
    unfinished = WORK / "lines" / f"{name}.part"
    with unfinished.open("w", encoding="utf-8") as file:
        for line in act():
            written = json.dumps({**stamp, **line})
            file.write(written + "\n")
            print(written, flush=True)
    unfinished.rename(unfinished.with_suffix(".jsonl"))


def merge() -> None:
    """All lines there are, as results/input.json."""
    lines = [
        json.loads(text)
        for path in sorted((WORK / "lines").glob("*.jsonl"))
        for text in path.read_text(encoding="utf-8").splitlines()
    ]
    tables = importlib.import_module("bench.input.tables").tables(lines)
    head = {
        "question": "ms from a file to pixels, texts a second, ms from a file to an embedding",
        "commits": sorted({line["commit"] for line in lines}),
        "processor": processor(),
        "versions": {"python": platform.python_version(), **{n: version(n) for n in PEERS}},
    }
    parts = [f"{json.dumps(key)}: {json.dumps(value)}" for key, value in head.items()]
    for title, rows in tables.items():
        # A row a line: the file is read by people, and compared from one commit to the next.
        listed = ",\n  ".join(json.dumps(row) for row in rows)
        parts.append(f"{json.dumps(title)}: [\n  {listed}\n]")
    RESULTS.write_text("{\n" + ",\n".join(parts) + "\n}\n", encoding="utf-8")


def commit() -> str:
    described = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True
    )
    return described.stdout.strip()


def processor() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sections", nargs="*", metavar="SECTION")
    parser.add_argument("--photos", type=lambda folder: Path(folder).resolve())
    options = parser.parse_args()
    known = sections(options.photos)
    wanted = options.sections or [*known, "merge"]
    if unknown := set(wanted) - {*known, "merge"}:
        parser.error(f"no section {', '.join(unknown)}; there are {', '.join(known)}, merge")
    if wanted == ["merge"]:
        merge()
    elif len(wanted) == 1:
        run(wanted[0], known[wanted[0]])
    else:
        photos = ["--photos", str(options.photos)] if options.photos else []
        for name in wanted:
            command = [sys.executable, "-m", "bench.input", name, *photos]
            subprocess.run(command, check=True, cwd=ROOT)


if __name__ == "__main__":
    main()
