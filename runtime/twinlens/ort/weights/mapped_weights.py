"""Mapped weights: external data of an ONNX file, mapped once in a process for all its sessions.

Left to itself, onnxruntime maps them once for each session: the second session of int8 ViT-B/32
then adds 100 MB of address space and of resident memory, and 2.9 MB with these (a batch at work
adds the memory of its activations, 6 MB for 8 images).
"""

import errno
import mmap
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

import numpy as np

from twinlens.forks import ForkedLock
from twinlens.ort.library import onnxruntime
from twinlens.ort.opened_files import signature
from twinlens.ort.weights.external_tensors import external_tensors, rewritable_names


class MappedWeights:
    """Weights of one ONNX file by name, as onnxruntime takes them.

    onnxruntime neither copies them nor keeps them alive: this object must live as long as each
    session that has them. Those that its optimisation may write anew are left to each session.
    """

    def __init__(self, model: Path, beside: Sequence[Path]) -> None:
        """Map the files beside a model.

        Raises:
            MemoryError: this process may map no more.
            OSError: a file cannot be read.
            ValueError: the model is no ONNX file.
        """
        maps = {path.name: _mapped(path) for path in beside}
        content = model.read_bytes()
        own = rewritable_names(content)
        self._values = {
            name: onnxruntime().OrtValue.ortvalue_from_numpy_with_onnx_type(
                np.frombuffer(maps[tensor.file], tensor.dtype, tensor.size, tensor.offset).reshape(
                    tensor.shape
                ),
                tensor.kind,
            )
            for name, tensor in external_tensors(content).items()
            # onnxruntime tells of one that is not there, or too long.
            if name not in own
            and tensor.size
            and tensor.file in maps
            and tensor.end <= len(maps[tensor.file])
        }

    def add_to(self, options: Any) -> None:  # noqa: ANN401  onnxruntime's SessionOptions
        """Let a session take the weights from here."""
        for name, value in self._values.items():
            options.add_initializer(name, value)


def mapped_weights(model: Path, beside: Sequence[Path]) -> MappedWeights:
    """Return the weights of a model; those of the same, unchanged files are the same object.

    Raises:
        MemoryError: this process may map no more.
        OSError: a file cannot be read.
        ValueError: the model is no ONNX file.
    """
    key = tuple(signature(path) for path in (model, *beside))
    with _opening:
        found = _open.get(key)
        if found is None:
            found = _open[key] = MappedWeights(model, beside)
    return found


def _mapped(path: Path) -> mmap.mmap | bytes:
    with path.open("rb") as file:
        if not path.stat().st_size:
            return b""  # which cannot be mapped
        try:
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except OSError as error:
            if error.errno == errno.ENOMEM:
                raise MemoryError(f"{path} cannot be mapped: {error.strerror}") from error
            raise


_Key = tuple[tuple[int, ...] | None, ...]
_open: WeakValueDictionary[_Key, MappedWeights] = WeakValueDictionary()
_opening = ForkedLock()
