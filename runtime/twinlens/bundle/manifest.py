"""Manifest of a bundle: towers, their files and hashes, agreement with the original."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from twinlens.bundle.calibration import Calibration
from twinlens.bundle.specs import ImageSpec, Precision, TargetDevice, TextSpec
from twinlens.errors import quoted

FORMAT: Final = 1
LARGEST_SCALE: Final = 1e6
"""Largest scale of a cosine: from here on the rounding of float32 cosines, 6e-8, decides. CLIP
clamps its scale to 100."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """Agreement of a tower with the original, on real images and texts."""

    worst_cosine: float
    mean_cosine: float
    top1: float
    """Share of the queries, embedded by this tower, with the same best hit as the original."""
    top10: float
    """Mean share of the original's ten best hits among this tower's ten best."""
    samples: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TowerFile:
    """One ONNX file: one tower in one precision."""

    file: str
    sha256: str
    bytes: int
    """Size of all its files together."""
    input: str
    output: str
    agreement: Agreement
    beside: Mapping[str, str] = field(default_factory=dict)
    """sha256 by name of the files of its external data, the weights that are not inside it."""
    native: Mapping[str, str] = field(default_factory=dict)
    """sha256 by name of the ONNX file of the same tower in native operators, if there is one: a
    second graph over the same weights, which replaces the first where they serve."""
    kept: tuple[str, ...] = ()
    """Blocks kept in float32, because in int8 they cost too much agreement with the original."""
    one_arithmetic: bool = False
    """True if native operators take every sum: where they serve, a row is the same to the bit on
    each processor (but by AMX, see `twinlens.load`)."""
    shape_nodes: tuple[str, ...] = ()
    """Names of the nodes that are computed from the shapes of tensors alone: onnxruntime runs them
    on the CPU on purpose, wherever the tower runs. Every other node must run on the device."""

    def hashes(self) -> dict[str, str]:
        """Return the sha256 of all files of the tower, by name."""
        return {self.file: self.sha256, **self.beside, **self.native}


@dataclass(frozen=True, slots=True, kw_only=True)
class Towers:
    """The two towers of one precision, and the device for which they are meant."""

    device: TargetDevice
    image: TowerFile
    text: TowerFile

    def calibrated_for(self) -> str:
        """Return the key of these two towers: a calibration fitted on others is refused."""
        hashes = [*self.image.hashes().values(), *self.text.hashes().values()]
        return hashlib.sha256(" ".join(hashes).encode()).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Checkpoint from which a bundle was exported."""

    name: str
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """Contents of twinlens.json: all that the runtime knows about a bundle.

    The file bears, besides these fields, their sha256: `twinlens.bundle.sealed_json`.
    """

    format: int = FORMAT
    family: str
    source: Source
    width: int
    """Width D of an embedding."""
    native_scale: float
    """exp of the checkpoint's own logit scale, for the softmax of zero-shot classification."""
    image: ImageSpec
    text: TextSpec
    towers: Mapping[Precision, Towers]
    files: Mapping[str, str]
    """sha256 of every other file that the runtime reads, by name."""
    calibrations: Mapping[Precision, Calibration] = field(default_factory=dict)
    made_by: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.width < 1:
            raise ValueError(f"width is {quoted(self.width)}, not a positive number")
        if not 0 < self.native_scale <= LARGEST_SCALE:
            raise ValueError(
                f"native_scale is {self.native_scale}, not a positive number of at most "
                f"{LARGEST_SCALE:g}"
            )
        if not self.towers:
            raise ValueError("towers is empty")
        if self.text.tokenizer not in self.files:
            raise ValueError(f"files has no hash of {quoted(self.text.tokenizer)}")
