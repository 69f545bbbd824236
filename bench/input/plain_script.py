"""Plain script: Pillow an image at a time, numpy, one ONNX Runtime session."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import onnxruntime

from bench.harness.clip_pixels import scaled
from bench.harness.embeddings import F32, batches, normalized
from bench.harness.plain_pillow import plain_pixels


def plain_ort(graph: Path, threads: int, *, normalize: bool) -> Callable[[Sequence[Path]], F32]:
    """Return the function from N files to unit rows [N, D].

    Args:
        graph: an image tower.
        threads: of its session.
        normalize: True if it takes scaled floats [B, 3, S, S], False if uint8 [B, S, S, 3].
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    wanted, *_ = session.get_inputs()

    def embed(paths: Sequence[Path]) -> F32:
        parts = []
        for batch in batches(paths):
            pixels = np.stack([plain_pixels(path) for path in batch])
            given = scaled(pixels) if normalize else pixels
            parts.append(normalized(session.run(None, {wanted.name: given})[0]))
        return np.concatenate(parts)

    return embed
