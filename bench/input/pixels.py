"""Speed from a file to pixels, and the distance of those from the checkpoint's own."""

import collections
import statistics
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
import torch

from bench.harness.timing import median_ratio, rounds_in_turn
from bench.input.decoders import BASELINE, OURS, OWN, Decoder, decoders, levels
from bench.input.photos import Encoding, picture
from bench.input.similarity_models import SimilarityModel, similarity_models

MEGAPIXELS: Final = (0.25, 2.0, 12.0, 24.0)
TIMED: Final = (Encoding(format="JPEG"), Encoding(format="PNG"), Encoding(format="WEBP"))
"""Encodings that are timed. All contenders' pixels are compared on the first."""
COMPARED: Final = (
    *TIMED[1:],
    *(Encoding(format="JPEG", quality=quality) for quality in (75, 95)),
    *(Encoding(format="JPEG", subsampling=chroma) for chroma in ("4:2:2", "4:4:4")),
)
"""Encodings that only REDUCING are compared on besides."""
REDUCING: Final = (*OURS, "OpenCV reduced, area")
"""We, and the peer that decodes at reduced scale as we do."""
PICTURES_TIMED: Final = {0.25: 4, 2.0: 4, 12.0: 2, 24.0: 2}
PICTURES_COMPARED: Final = {0.25: 24, 2.0: 24, 12.0: 16, 24.0: 4}
SECONDS_A_SIZE: Final = 12.0
SIDE_PX: Final = 224

Line = dict[str, Any]


def file_of(work: Path, megapixels: float, encoding: Encoding, number: int) -> Path:
    name = f"{megapixels}-{encoding.name.replace(':', '').replace(' ', '-')}-{number}"
    return work / "pictures" / f"{name}.{encoding.format.lower()}"


def prepare(work: Path, photos: Path | None) -> None:
    """Write the files that are timed."""
    (work / "pictures").mkdir(parents=True, exist_ok=True)
    for megapixels in MEGAPIXELS:
        for number in range(PICTURES_TIMED[megapixels]):
            paths = {e: file_of(work, megapixels, e, number) for e in TIMED}
            if not all(path.exists() for path in paths.values()):
                made, _ = picture(photos, number, megapixels)
                for encoding, path in paths.items():
                    encoding.write(made, path)


def speed(work: Path, format_: str, threads: int) -> Iterator[Line]:
    """Yield ms an image of every contender, in turn, `threads` images side by side."""
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    contenders = decoders(SIDE_PX)
    if format_ != "JPEG":  # nothing else is decoded at reduced scale
        contenders = {name: each for name, each in contenders.items() if "reduced" not in name}
    (encoding,) = (known for known in TIMED if known.format == format_)
    for megapixels in MEGAPIXELS:
        paths = [file_of(work, megapixels, encoding, n) for n in range(PICTURES_TIMED[megapixels])]
        spent = _ms_an_image(contenders, paths, threads)
        for name, times in spent.items():
            yield {
                "megapixels": megapixels,
                "encoding": encoding.name,
                "threads": threads,
                "contender": name,
                "rounds": len(times),
                "ms": statistics.median(times),
                "p95_ms": float(np.percentile(times, 95)),
                "times_faster": median_ratio(spent[BASELINE], times),
            }


def _ms_an_image(
    contenders: dict[str, Decoder], paths: Sequence[Path], threads: int
) -> dict[str, list[float]]:
    """Return ms an image in each round."""
    # A small picture is repeated, so that starting the threads does not count.
    repeated = list(paths) * max(1, round(4 / (len(paths) * _megabytes(paths))))
    with ThreadPoolExecutor(threads) as pool:
        acts = {
            name: lambda decode=decode: collections.deque(pool.map(decode, repeated), maxlen=0)
            for name, decode in contenders.items()
        }
        spent = rounds_in_turn(acts, rounds=4, seconds=SECONDS_A_SIZE)
    return {name: [one.wall_ms / len(repeated) for one in times] for name, times in spent.items()}


def _megabytes(paths: Sequence[Path]) -> float:
    return sum(path.stat().st_size for path in paths) / len(paths) / 1e6


def agreement(work: Path, photos: Path | None, megapixels: float) -> Iterator[Line]:
    """Compare each contender's pixels with the checkpoint's own, in levels and by cosines."""
    models = similarity_models()
    by_side = {model.side_px: decoders(model.side_px) for model in models.values()}
    file = work / f"agreement-{megapixels}"
    for number in range(PICTURES_COMPARED[megapixels]):
        made, kind = picture(photos, number, megapixels)
        for encoding in (TIMED[0], *COMPARED):
            encoding.write(made, file)
            names = list(by_side[SIDE_PX]) if encoding is TIMED[0] else [OWN, *REDUCING]
            pixels = {
                side: {name: levels(known[name](file)) for name in names}
                for side, known in by_side.items()
            }
            for line in _compared(pixels, models):
                yield {
                    "megapixels": megapixels,
                    "encoding": encoding.name,
                    "picture": number,
                    "kind": kind,
                    **line,
                }
    file.unlink()


def _compared(
    pixels: dict[int, dict[str, np.ndarray]], models: dict[str, SimilarityModel]
) -> Iterator[Line]:
    names = list(pixels[SIDE_PX])
    cosines = {}
    for model_name, model in models.items():
        rows = model.features(np.stack(list(pixels[model.side_px].values()))).astype(np.float64)
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        cosines[model_name] = rows @ rows[names.index(OWN)]
    for place, name in enumerate(names):
        gap = np.abs(pixels[SIDE_PX][name].astype(int) - pixels[SIDE_PX][OWN])
        yield {
            "contender": name,
            "max_levels": int(gap.max()),
            "mean_levels": float(gap.mean()),
            "cosines": {model: float(found[place]) for model, found in cosines.items()},
        }
