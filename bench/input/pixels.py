"""How long a file takes to become pixels, and how far those are from the checkpoint's own."""

import statistics
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
import torch

from bench.input.decoders import BASELINE, OURS, OWN, Decoder, decoders, levels
from bench.input.photos import Encoding, picture
from bench.input.similarity_models import Judge, judges

MEGAPIXELS: Final = (0.25, 2.0, 12.0, 24.0)
TIMED: Final = (Encoding(format="JPEG"), Encoding(format="PNG"), Encoding(format="WEBP"))
"""What is timed. All contenders' pixels are compared on the first."""
JUDGED: Final = (
    *TIMED[1:],
    *(Encoding(format="JPEG", quality=quality) for quality in (75, 95)),
    *(Encoding(format="JPEG", subsampling=chroma) for chroma in ("4:2:2", "4:4:4")),
)
"""What only we, and the one that decodes at reduced scale as we do, are compared on besides."""
REDUCING: Final = (*OURS, "OpenCV reduced, area")
PICTURES_TIMED: Final = {0.25: 4, 2.0: 4, 12.0: 2, 24.0: 2}
PICTURES_JUDGED: Final = {0.25: 24, 2.0: 24, 12.0: 16, 24.0: 4}
SECONDS_A_SIZE: Final = 12.0
SIDE: Final = 224

Line = dict[str, Any]


def file_of(work: Path, megapixels: float, encoding: Encoding, number: int) -> Path:
    name = f"{megapixels}-{encoding.name.replace(':', '').replace(' ', '-')}-{number}"
    return work / "pictures" / f"{name}.{encoding.format.lower()}"


def prepare(work: Path, photos: Path | None) -> None:
    """The files that are timed, and 2 MP JPEGs from which embeddings are made."""
    (work / "pictures").mkdir(parents=True, exist_ok=True)
    for megapixels in MEGAPIXELS:
        for number in range(PICTURES_TIMED[megapixels]):
            paths = {e: file_of(work, megapixels, e, number) for e in TIMED}
            if not all(path.exists() for path in paths.values()):
                made, _ = picture(photos, number, megapixels)
                for encoding, path in paths.items():
                    encoding.write(made, path)


def speed(work: Path, format_: str, threads: int) -> Iterator[Line]:
    """ms an image of every contender, in turn, `threads` images side by side."""
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    contenders = decoders(SIDE)
    if format_ != "JPEG":  # nothing else is decoded at reduced scale
        contenders = {name: each for name, each in contenders.items() if "reduced" not in name}
    (encoding,) = (known for known in TIMED if known.format == format_)
    for megapixels in MEGAPIXELS:
        paths = [file_of(work, megapixels, encoding, n) for n in range(PICTURES_TIMED[megapixels])]
        spent = _in_turn(contenders, paths, threads)
        for name, times in spent.items():
            ratios = [a / b for a, b in zip(spent[BASELINE], times, strict=True)]
            yield {
                "megapixels": megapixels,
                "encoding": encoding.name,
                "threads": threads,
                "contender": name,
                "rounds": len(times),
                "ms": statistics.median(times),
                "p95_ms": float(np.percentile(times, 95)),
                "times_faster": statistics.median(ratios),
            }


def _in_turn(
    contenders: dict[str, Decoder], paths: Sequence[Path], threads: int
) -> dict[str, list[float]]:
    """ms an image in each round; the first round warms up and is not kept."""
    # A small picture is repeated, so that starting the threads does not count.
    repeated = list(paths) * max(1, round(4 / (len(paths) * _megabytes(paths))))
    spent: dict[str, list[float]] = {name: [] for name in contenders}
    began = time.perf_counter()
    with ThreadPoolExecutor(threads) as pool:
        while len(spent[BASELINE]) < 4 or time.perf_counter() - began < SECONDS_A_SIZE:
            for name, decode in contenders.items():
                begun = time.perf_counter()
                for _ in pool.map(decode, repeated):
                    pass
                spent[name].append(1e3 * (time.perf_counter() - begun) / len(repeated))
    return {name: times[1:] for name, times in spent.items()}


def _megabytes(paths: Sequence[Path]) -> float:
    return sum(path.stat().st_size for path in paths) / len(paths) / 1e6


def agreement(work: Path, photos: Path | None, megapixels: float) -> Iterator[Line]:
    """Levels and cosines between each contender's pixels and those of the checkpoint's own."""
    found = judges()
    by_side = {judge.side: decoders(judge.side) for judge in found.values()}
    file = work / f"agreement-{megapixels}"
    for number in range(PICTURES_JUDGED[megapixels]):
        made, kind = picture(photos, number, megapixels)
        for encoding in (TIMED[0], *JUDGED):
            encoding.write(made, file)
            names = list(by_side[SIDE]) if encoding is TIMED[0] else [OWN, *REDUCING]
            pixels = {
                side: {name: levels(known[name](file)) for name in names}
                for side, known in by_side.items()
            }
            for line in _compared(pixels, found):
                yield {
                    "megapixels": megapixels,
                    "encoding": encoding.name,
                    "picture": number,
                    "kind": kind,
                    **line,
                }
    file.unlink()


def _compared(pixels: dict[int, dict[str, np.ndarray]], found: dict[str, Judge]) -> Iterator[Line]:
    names = list(pixels[SIDE])
    cosines = {}
    for judge_name, judge in found.items():
        rows = judge.features(np.stack(list(pixels[judge.side].values()))).astype(np.float64)
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        cosines[judge_name] = rows @ rows[names.index(OWN)]
    for place, name in enumerate(names):
        gap = np.abs(pixels[SIDE][name].astype(int) - pixels[SIDE][OWN])
        yield {
            "contender": name,
            "max_levels": int(gap.max()),
            "mean_levels": float(gap.mean()),
            "cosines": {judge: float(found_[place]) for judge, found_ in cosines.items()},
        }
