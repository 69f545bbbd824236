"""The manifest of a bundle: towers, their files and hashes, agreement with the original."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from twinlens.bundle.calibration import Calibration
from twinlens.bundle.specs import ImageSpec, Precision, TargetDevice, TextSpec

FORMAT: Final = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """How closely a tower follows the original, on real images and texts."""

    worst_cosine: float
    mean_cosine: float
    top1: float
    """Share of the queries, embedded by this tower, whose best answer is the original's."""
    top10: float
    """Mean share of the original's ten best answers that are among this tower's ten best."""
    samples: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TowerFile:
    """One ONNX file: one tower in one precision."""

    file: str
    sha256: str
    bytes: int
    input: str
    output: str
    agreement: Agreement
    beside: Mapping[str, str] = field(default_factory=dict)
    """sha256 of the files that its weights lie in, if they are not inside it, by name."""
    kept: tuple[str, ...] = ()
    """Blocks in a higher precision: without them it did not follow the original closely enough."""
    shape_nodes: tuple[str, ...] = ()
    """Names of the nodes that are computed from the shapes of tensors alone: onnxruntime runs them
    on the CPU on purpose, wherever the tower runs. Every other node must run on the device."""

    def hashes(self) -> dict[str, str]:
        """sha256 of all that the tower is read from, by name."""
        return {self.file: self.sha256, **self.beside}


@dataclass(frozen=True, slots=True, kw_only=True)
class Towers:
    """The two towers of one precision, and the device they are meant for."""

    device: TargetDevice
    image: TowerFile
    text: TowerFile

    def calibrated_for(self) -> str:
        """The key of these two towers: a calibration fitted on others is refused."""
        hashes = [*self.image.hashes().values(), *self.text.hashes().values()]
        return hashlib.sha256(" ".join(hashes).encode()).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """The checkpoint a bundle was made from."""

    name: str
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """Everything the runtime knows about a bundle."""

    format: int = FORMAT
    family: str
    source: Source
    width: int
    """Width D of an embedding."""
    native_scale: float
    """exp of the checkpoint's own logit scale: the softmax of zero-shot classification needs it."""
    image: ImageSpec
    text: TextSpec
    towers: Mapping[Precision, Towers]
    files: Mapping[str, str]
    """sha256 of every further file that the runtime reads, by name."""
    calibrations: Mapping[Precision, Calibration] = field(default_factory=dict)
    made_by: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.width < 1:
            raise ValueError(f"width is {self.width}, not a positive number")
        if not self.towers:
            raise ValueError("towers is empty")
        if self.text.tokenizer not in self.files:
            raise ValueError(f"files has no hash of {self.text.tokenizer}")
