"""Towers of a bundle, opened on a device, compared with its manifest."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from twinlens.bundle.bundle import Bundle
from twinlens.bundle.manifest import TowerFile
from twinlens.bundle.specs import Modality, Precision, TextSpec
from twinlens.embedding.device_tower import DeviceTower
from twinlens.embedding.tower import Tower
from twinlens.errors import BundleError, ProviderError
from twinlens.model.model_options import ModelOptions
from twinlens.ort import native_operators
from twinlens.ort.memory.freed_memory import give_back
from twinlens.ort.session import Session
from twinlens.ort.session_options import CpuMemory
from twinlens.ort.tensor_type import TensorType
from twinlens.texts.tokenizer import Tokenizer

FRUGAL_BATCH: Final[Mapping[Modality, int]] = {"image": 4, "text": 16}
"""Items of a run where memory is low: the memory of a run is that of its batch."""
ONNXRUNTIME: Final = "onnxruntime"
"""Name of onnxruntime's own operators."""
NATIVE: Final[frozenset[Precision]] = frozenset({"bf16", "int8"})
"""Precisions of which the one graph is for native operators, with functions in their place."""
_UNIT: float = 1e-2
"""Largest distance of a row's length from 1; half precision keeps three digits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TowerOpener:
    """Bundle and options of one model, by which its towers are opened."""

    bundle: Bundle
    options: ModelOptions
    threads: int

    def open(self, modality: Modality) -> Tower | DeviceTower:
        """Open one tower; each of its sessions checks the bytes of the file before it reads them.

        Raises:
            BundleError: a file is missing or was changed, or the tower is not that of the manifest.
            ProviderError: the device cannot be used.
        """
        file = self.bundle.manifest.towers[self.options.precision].there()[modality]

        def open_on(threads: int) -> Session:
            self.bundle.check_tower(file)
            session = self._session(file, threads)
            self._require_types(session, file, modality)
            return session

        if self.options.device.kind == "cuda":
            return DeviceTower(file, open_on, cuda=self.options.cuda)
        low = self.options.low_memory
        return Tower(
            file,
            open_on,
            threads=self.threads,
            low_memory=low,
            largest_batch=FRUGAL_BATCH[modality] if low else None,
        )

    def operators(self) -> str | None:
        """Return the instruction set of the native operators of int8 or bf16, or "onnxruntime".

        Both, if onnxruntime takes some sums of a tower. None for other precisions and devices,
        unless reproducible rows were asked for.

        Raises:
            ProviderError: reproducible rows were asked for, and there are none.
        """
        precision = self.options.precision
        if self.options.reproducible:
            self._require_one_arithmetic()
            common = native_operators.reproducible()
            return native_operators.serving_bf16() if precision == "bf16" else common
        if precision not in NATIVE or self.options.device.kind != "cpu":
            return None
        is_bf16 = precision == "bf16"
        serving = native_operators.serving_bf16() if is_bf16 else native_operators.serving()
        if serving is None:
            return ONNXRUNTIME
        return serving if self._has_one_arithmetic(precision) else f"{serving} and {ONNXRUNTIME}"

    def _require_one_arithmetic(self) -> None:
        """Check that the native operators take every sum of both towers.

        Raises:
            ProviderError: onnxruntime takes some, with other bits on other processors.
        """
        device, precision = self.options.device, self.options.precision
        if device.kind == "cpu" and self._has_one_arithmetic(precision):
            return
        others = [name for name in self.bundle.manifest.towers if self._has_one_arithmetic(name)]
        cure = f"open with device='cpu', precision={others[-1]!r}" if others else "export it again"
        raise ProviderError(
            f"reproducible=True cannot be had of {self.bundle.folder} in {precision} on {device}, "
            f"whose rows depend on the processor; {cure}, or leave reproducible out"
        )

    def _has_one_arithmetic(self, precision: Precision) -> bool:
        towers = self.bundle.manifest.towers[precision].there()
        return all(tower.one_arithmetic for tower in towers.values())

    def _session(self, file: TowerFile, threads: int) -> Session:
        native = self._is_native(file)
        path = self.bundle.path(next(iter(file.native)) if native and file.native else file.file)
        session = Session(
            path,
            device=self.options.device,
            threads=threads,
            name=str(path),
            cuda=self.options.cuda,
            memory=self._memory(file, native=native),
            spinning=self.options.spinning,
            same_bits=self.options.reproducible,
            beside=[self.bundle.path(name) for name in file.beside],
        )
        if not native:
            # Weights that onnxruntime has laid out anew: 357 MB of fp32 ViT-B/32's image tower.
            give_back()
        return session

    def _is_native(self, file: TowerFile) -> bool:
        """Return True if native operators read the weights of a tower."""
        if self.options.device.kind != "cpu" or native_operators.serving() is None:
            return False
        return self.options.precision in NATIVE or bool(file.native)

    def _memory(self, file: TowerFile, *, native: bool) -> CpuMemory:
        """Return the memory of a session: with low memory as little as the promise allows.

        Where the native operators serve, hardly a weight is packed by onnxruntime: packing these
        costs nothing, and a row does not depend on its batch.
        """
        low = self.options.low_memory
        unpacks = bool(file.native) or self.options.precision == "bf16"
        return CpuMemory(
            packed=native or not low,
            arena=not low,
            folded=native or not low or not unpacks,
            shared=native or low,
        )

    def _require_types(self, session: Session, file: TowerFile, modality: Modality) -> None:
        """Compare the input and output of a tower with width, side and dtypes of the manifest."""
        manifest = self.bundle.manifest
        side = None if manifest.image is None else manifest.image.side_px
        pixels = TensorType("uint8", (None, side, side, 3))
        ids = TensorType("int64", (None, None))
        session.require(inputs={file.input}, outputs={file.output})
        session.require_types(
            {
                file.input: pixels if modality == "image" else ids,
                file.output: TensorType("float", (None, manifest.width)),
            }
        )


def require_text(bundle: Bundle, tower: Tower, tokenizer: Tokenizer, spec: TextSpec) -> None:
    """Embed one empty text, padded to the whole context, on the tower of a CPU.

    A graph names neither its longest text nor its largest id. The price is the run of one text.

    Raises:
        BundleError: the tower does not take the context or the ids of the manifest.
    """
    width = bundle.manifest.width
    (row,) = tokenizer.encode_ragged([""])
    ids = np.full((1, spec.context), spec.pad_id, dtype=np.int64)
    ids[0, : len(row)] = row
    wanted = f"{spec.context} tokens, padded with id {spec.pad_id}, as a row of width {width}"
    try:
        rows = tower.embed(ids)
    except ProviderError as error:
        raise BundleError(
            f"the text tower in {bundle.folder} does not embed {wanted}: {error}; export it again"
        ) from error
    if rows.shape != (1, width) or not abs(np.linalg.norm(rows) - 1) < _UNIT:
        raise BundleError(
            f"the text tower in {bundle.folder} embeds {wanted}, as {list(rows.shape)} of length "
            f"{np.linalg.norm(rows):.3g}, wanted a unit row; export it again"
        )
