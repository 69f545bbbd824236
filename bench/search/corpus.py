"""Rows and queries distributed as CLIP's embeddings, made from a seed, block by block.

An image row is sqrt(1/2) m + sqrt(1/2) s, scaled to length 1. m, the mean that all images share,
has a quarter of its square in two coordinates, as CLIP's has. s is random: along the i-th of D-1
random axes at right angles to m, its variance is proportional to 1/i. Two images then have a cosine
of 0.5 +- 0.08. A text is a m + sqrt(1 - a^2) t, t with a flatter spectrum on the same axes; a and
that spectrum are solved so that a text and an image have a cosine of 0.17 +- 0.04. An image query
is one more image.

Rows are made in blocks of 65,536, each from its own seed, so that a corpus of any size starts with
the rows of a smaller one and any block can be made alone. The BLAS at hand rounds them.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
Kind = Literal["text", "image"]

BLOCK = 65_536
IMAGE_COSINE = 0.5
TEXT_COSINE, TEXT_SPREAD = 0.17, 0.04
STREAM = {"rows": 0, "text": 1, "image": 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """Parameters of one width: the mean [D] and the two random parts' axes [D-1, D]."""

    mean: F64
    image_axes: F32
    text_axes: F32
    text_share: float


def family(width: int) -> Family:
    """Return the mean and the axes of CLIP-like rows of D=width, the same each time."""
    random = np.random.default_rng([width, 2026])
    mean = random.standard_normal(width)
    mean *= np.sqrt(0.75) / np.linalg.norm(mean)
    mean[random.choice(width, 2, replace=False)] = np.sqrt([0.15, 0.10])
    mean /= np.linalg.norm(mean)
    # Axes at right angles to the mean: the first column of Q is the mean itself.
    around = np.column_stack([mean, random.standard_normal((width, width - 1))])
    axes = np.linalg.qr(around)[0][:, 1:].T
    image = spectrum(width - 1, 1.0)
    share = TEXT_COSINE / np.sqrt(IMAGE_COSINE)
    text = spectrum(width - 1, flatness(image, share))
    return Family(
        mean=mean,
        image_axes=(np.sqrt(image)[:, None] * axes).astype(np.float32),
        text_axes=(np.sqrt(text)[:, None] * axes).astype(np.float32),
        text_share=float(share),
    )


def spectrum(width: int, power: float) -> F64:
    """Return variances [D] proportional to i^-power, their sum 1."""
    variances = np.arange(1, width + 1, dtype=np.float64) ** -power
    return variances / variances.sum()


def flatness(image: F64, share: float) -> float:
    """Return the power of the text spectrum at which text-image cosines spread by TEXT_SPREAD."""
    wanted = TEXT_SPREAD**2 / ((1 - share**2) * (1 - IMAGE_COSINE))
    low, high = 0.0, 1.0
    for _ in range(50):
        power = (low + high) / 2
        below = spectrum(image.size, power) @ image < wanted
        low, high = (power, high) if below else (low, power)
    return low


def draw(shared: Family, stream: str, block: int, count: int) -> F32:
    """Return unit rows [count, D] of one block of one stream."""
    width = shared.mean.size
    random = np.random.Generator(np.random.SFC64([width, STREAM[stream], block]))
    noise = random.standard_normal((count, width - 1), dtype=np.float32)
    text = stream == "text"
    share = shared.text_share if text else np.sqrt(IMAGE_COSINE)
    rows = noise @ (shared.text_axes if text else shared.image_axes)
    # Each random part has length 1 before it is weighed, so that the cosine is what was asked for.
    rows *= np.sqrt(1 - share**2) / np.linalg.norm(rows, axis=1, keepdims=True)
    rows += (share * shared.mean).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return rows


def queries(count: int, width: int, kind: Kind) -> F32:
    """Return unit queries [count, D]."""
    return draw(family(width), kind, 0, count)


def queries_file(folder: Path, count: int, width: int, kind: Kind) -> Path:
    """Return the .npy file with unit queries [Q, D], drawn once: another BLAS rounds otherwise."""
    path = folder / f"queries-{kind}-{count}x{width}.npy"
    if not path.exists():
        np.save(path, queries(count, width, kind))
    return path


def write_corpus(path: Path, count: int, width: int, threads: int = 2) -> None:
    """Write image rows [N, D] as a .npy file, a few blocks in memory at a time."""
    partial = path.with_suffix(".partial")
    rows = np.lib.format.open_memmap(partial, mode="w+", dtype=np.float32, shape=(count, width))
    fill(rows, threads)
    rows.flush()
    partial.rename(path)


def fill(rows: F32, threads: int) -> None:
    """Draw the first N image rows into [N, D], a block a thread at a time."""
    count, width = rows.shape
    shared = family(width)

    def fill_block(block: int) -> None:
        begin = block * BLOCK
        size = min(BLOCK, count - begin)
        # Whole blocks are drawn even where fewer rows are wanted: a prefix must stay a prefix.
        rows[begin : begin + size] = draw(shared, "rows", block, BLOCK)[:size]

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(fill_block, range(-(-count // BLOCK))))


def corpus_file(folder: Path, count: int, width: int) -> Path:
    """Return the corpus's file in `folder`, written if it is not there."""
    path = folder / f"rows-{count}x{width}.npy"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        write_corpus(path, count, width)
    return path
