"""What one writes in an afternoon: Pillow an image at a time, numpy, one ONNX Runtime session."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from PIL import Image

U8 = NDArray[np.uint8]
F32 = NDArray[np.float32]

BATCH: Final = 32
MEAN: Final = np.array((0.48145466, 0.4578275, 0.40821073), dtype=np.float32)
STD: Final = np.array((0.26862954, 0.26130258, 0.27577711), dtype=np.float32)


def plain_pillow(side: int) -> Callable[[Path], U8]:
    """Pixels [S, S, 3]: open, convert, resize, crop."""

    def decode(path: Path) -> U8:
        with Image.open(path) as image:
            rgb = image.convert("RGB")
        width, height = rgb.size
        short = min(width, height)
        width, height = side * width // short, side * height // short
        small = rgb.resize((width, height), Image.Resampling.BICUBIC)
        left, top = (width - side) // 2, (height - side) // 2
        return np.asarray(small.crop((left, top, left + side, top + side)))

    return decode


def plain_ort(graph: Path, threads: int, *, normalise: bool) -> Callable[[Sequence[Path]], F32]:
    """Unit rows [N, D] of N files.

    Args:
        graph: an image tower.
        threads: of its session.
        normalise: whether it takes scaled floats [B, 3, S, S], or uint8 [B, S, S, 3].
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    (wanted, *_), decode = session.get_inputs(), plain_pillow(224)

    def embed(paths: Sequence[Path]) -> F32:
        parts = []
        for batch in batches(paths):
            pixels = np.stack([decode(path) for path in batch])
            if normalise:
                scaled = (pixels.astype(np.float32) / 255 - MEAN) / STD
                pixels = np.ascontiguousarray(scaled.transpose(0, 3, 1, 2))
            parts.append(unit(session.run(None, {wanted.name: pixels})[0]))
        return np.concatenate(parts)

    return embed


def batches(paths: Sequence[Path]) -> list[Sequence[Path]]:
    return [paths[start : start + BATCH] for start in range(0, len(paths), BATCH)]


def unit(rows: F32) -> F32:
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)
