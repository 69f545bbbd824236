"""Cache of TensorRT's engines: one folder per GPU, version and model."""

import hashlib
import re
from collections.abc import Iterable
from pathlib import Path


def engine_folder(cache: Path, *, gpu: str, versions: Iterable[str], model: str) -> Path:
    """Return the folder for the engines of one model, created if it is missing.

    An engine runs only on the GPU and the versions that it was compiled for, so the folder's name
    holds them, and every engine in it fits.

    Args:
        cache: folder of all engines.
        gpu: the GPU's name.
        versions: such as "onnxruntime 1.31.1" and "TensorRT 10.13.2".
        model: its sha256.
    """
    folder = cache / _plain(gpu) / _plain(" ".join(versions)) / model
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def model_hash(model: Path | bytes) -> str:
    """Return the sha256 of a model and of its external data, the files of weights beside it."""
    digest = hashlib.sha256()
    if isinstance(model, bytes):
        digest.update(model)
        return digest.hexdigest()
    # onnx names it model.onnx_data, other tools model.onnx.data.
    for path in sorted(model.parent.glob(f"{model.name}*")):
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


def _plain(name: str) -> str:
    """Return the name with only characters that every file system accepts."""
    return re.sub(r"[^\w.-]+", "_", name)
