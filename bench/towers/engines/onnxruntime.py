"""onnxruntime as its users call it: a session with a number of threads, and nothing else set."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnxruntime

from bench.harness.clip_pixels import scaled
from bench.harness.embeddings import batches, normalized
from bench.towers.contenders import Embed, Engine, FirstEmbeddings, Settings
from bench.towers.engines.plain_script import photo_pixels, text_ids
from bench.towers.inputs.workspace import U8, Ids, Modality, Workspace, padded


class OnnxRuntime(Engine):
    """Engine with a session for each modality."""

    def __init__(
        self, workspace: Workspace, modalities: Sequence[Modality], threads: int, kind: str
    ) -> None:
        self._sessions = {
            modality: session(workspace.graph(kind, modality), threads) for modality in modalities
        }

    def images(self, pixels: U8) -> Embed:
        return self._embed("image", [scaled(batch) for batch in batches(pixels)])

    def texts(self, rows: Sequence[Ids]) -> Embed:
        return self._embed("text", [padded(batch) for batch in batches(rows)])

    def _embed(self, modality: Modality, ready: Sequence[np.ndarray]) -> Embed:
        run = self._sessions[modality].run
        return lambda: np.concatenate([run(None, {"given": batch})[0] for batch in ready])


def session(path: Path, threads: int) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def open_engine(
    workspace: Workspace, modalities: Sequence[Modality], threads: int, settings: Settings
) -> Engine:
    return OnnxRuntime(workspace, modalities, threads, settings["kind"])


def first_embeddings(workspace: Workspace, threads: int, settings: Settings) -> FirstEmbeddings:
    kind = settings["kind"]
    image = session(workspace.graph(kind, "image"), threads)
    text = session(workspace.graph(kind, "text"), threads)
    (row,) = image.run(None, {"given": scaled(photo_pixels(workspace))})[0]
    (words,) = text.run(None, {"given": text_ids(workspace)})[0]
    return FirstEmbeddings(image=normalized(row), text=normalized(words), held=(image, text))
