"""onnxruntime as its users call it: a session with a number of threads, and nothing else set."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnxruntime

from bench.towers.contenders import Embed, Engine, FirstRows, Settings
from bench.towers.engines.batches import batches
from bench.towers.engines.plain_script import photo_pixels, text_ids, unit_row
from bench.towers.inputs.workspace import U8, Ground, Ids, Side, padded, scaled


class OnnxRuntime(Engine):
    """A session for each side."""

    def __init__(self, ground: Ground, sides: Sequence[Side], threads: int, kind: str) -> None:
        self._sessions = {side: session(ground.graph(kind, side), threads) for side in sides}

    def images(self, pixels: U8) -> Embed:
        return self._embed("image", [scaled(batch) for batch in batches(pixels)])

    def texts(self, rows: Sequence[Ids]) -> Embed:
        return self._embed("text", [padded(batch) for batch in batches(rows)])

    def _embed(self, side: Side, ready: Sequence[np.ndarray]) -> Embed:
        run = self._sessions[side].run
        return lambda: np.concatenate([run(None, {"given": batch})[0] for batch in ready])


def session(path: Path, threads: int) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def open_engine(ground: Ground, sides: Sequence[Side], threads: int, settings: Settings) -> Engine:
    return OnnxRuntime(ground, sides, threads, settings["kind"])


def first_rows(ground: Ground, threads: int, settings: Settings) -> FirstRows:
    kind = settings["kind"]
    image = session(ground.graph(kind, "image"), threads)
    text = session(ground.graph(kind, "text"), threads)
    (row,) = image.run(None, {"given": scaled(photo_pixels(ground))})[0]
    (words,) = text.run(None, {"given": text_ids(ground)})[0]
    return FirstRows(image=unit_row(row), text=unit_row(words), held=(image, text))
