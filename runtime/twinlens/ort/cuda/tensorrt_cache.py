"""Where TensorRT's engines lie: a folder for each GPU, each version and each program."""

import hashlib
import re
from collections.abc import Iterable
from pathlib import Path


def engine_folder(cache: Path, *, gpu: str, versions: Iterable[str], program: str) -> Path:
    """The folder for one program's engines, made if it is not there.

    An engine runs on the GPU and the versions that it was compiled for, and on no other: so
    nothing is ever found there that does not fit.

    Args:
        cache: where all engines lie.
        gpu: the GPU's name.
        versions: such as "onnxruntime 1.31.1" and "TensorRT 10.13.2".
        program: its sha256.
    """
    folder = cache / _plain(gpu) / _plain(" ".join(versions)) / program
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def program_hash(program: Path | bytes) -> str:
    """The sha256 of a program, with the files beside it that hold its weights."""
    digest = hashlib.sha256()
    if isinstance(program, bytes):
        digest.update(program)
        return digest.hexdigest()
    # onnx calls them model.onnx_data, others model.onnx.data.
    for path in sorted(program.parent.glob(f"{program.name}*")):
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


def _plain(name: str) -> str:
    """A name that every file system takes."""
    return re.sub(r"[^\w.-]+", "_", name)
