"""The bundle: one folder, the contract between export and runtime."""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal, get_args

from twinlens import dataclass_json
from twinlens.calibration import Calibration
from twinlens.errors import BundleError

FORMAT: Final = 1
MANIFEST: Final = "twinlens.json"
"""Written last: a folder without one is not a bundle."""

_INSIDE: Final = re.compile(r"\w[\w.-]*(/\w[\w.-]*)*")

Precision = Literal["fp32", "fp16", "int8"]
Side = Literal["image", "text"]
Device = Literal["any", "cpu", "cuda"]
Clean = Literal["none", "lower", "openai", "openai_cased", "canonical", "siglip"]

PRECISIONS: Final[tuple[Precision, ...]] = get_args(Precision)
SIDES: Final[tuple[Side, ...]] = get_args(Side)


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageSpec:
    """How a picture becomes the image tower's uint8 [B, S, S, 3].

    Scaling to floats and normalising are inside the graph, and nowhere else.
    """

    side_px: int
    resize: Literal["shortest_edge", "squash", "pad"] = "shortest_edge"
    """shortest_edge: the shorter edge becomes side_px, then the centre is cropped; squash: both
    edges do; pad: the longer edge does, and the rest of the square shows `fill`."""
    interpolation: Literal["bicubic", "bilinear", "lanczos"] = "bicubic"
    crop: Literal["floor", "round"] = "floor"
    """How the crop's offset is rounded: floor as transformers does, round as OpenAI's code does."""
    fill: tuple[int, int, int] = (0, 0, 0)
    """Red, green and blue of the padding, 0..255."""

    def __post_init__(self) -> None:
        if self.side_px < 1:
            raise ValueError(f"side_px is {self.side_px}, not a positive number of pixels")
        if len(self.fill) != 3 or not all(0 <= part <= 255 for part in self.fill):
            raise ValueError(f"fill is {self.fill}, not three numbers of 0..255")


@dataclass(frozen=True, slots=True, kw_only=True)
class TextSpec:
    """How a string becomes the text tower's int64 [B, T]."""

    context: int
    """The most tokens, marks included."""
    pad_id: int
    """What fills a row behind its text."""
    trim: bool
    """True if the tower is causal or does not see padding, so that a batch may stop at its longest
    text; False if it wants the full context of every text."""
    end_id: int | None = None
    """The end token, which survives truncation; None if the checkpoint ends no text by one."""
    clean: Clean = "none"
    """What the checkpoint was trained to see of a text: all of it, or all of it in lower case; what
    OpenAI's code leaves (ftfy, HTML entities, white space, lower case), the same with its upper
    case, or the same without punctuation; or what SigLIP's does (lower case, no punctuation, white
    space). What tokenizer.json itself does comes after."""
    tokenizer: str = "tokenizer.json"

    def __post_init__(self) -> None:
        if self.context < 2:
            raise ValueError(f"context is {self.context}; a start and an end token need 2")


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

    def hashes(self) -> dict[str, str]:
        """sha256 of all that the tower is read from, by name."""
        return {self.file: self.sha256, **self.beside}


@dataclass(frozen=True, slots=True, kw_only=True)
class Towers:
    """The two towers of one precision, and the device they are meant for."""

    device: Device
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """A folder whose manifest was read and checked."""

    folder: Path
    manifest: Manifest

    def path(self, name: str) -> Path:
        """Where a file of the bundle lies."""
        return self.folder / name

    def check(self, precision: Precision) -> None:
        """Compare the bytes of what this precision reads with the manifest's hashes.

        Raises:
            BundleError: a file is missing or was changed.
        """
        towers = self.manifest.towers[precision]
        self.check_files()
        for tower in (towers.image, towers.text):
            self.check_tower(tower)

    def check_tower(self, tower: TowerFile) -> None:
        """As `check`, but of one tower.

        Raises:
            BundleError: a file is missing or was changed.
        """
        for name, wanted in tower.hashes().items():
            self.check_file(name, wanted)

    def check_files(self) -> None:
        """As `check`, but of what all precisions read: all but the towers.

        Raises:
            BundleError: a file is missing or was changed.
        """
        for name, wanted in self.manifest.files.items():
            self.check_file(name, wanted)

    def calibration(self, precision: Precision) -> Calibration | None:
        """The calibration of these towers, if there is one.

        Raises:
            BundleError: it was fitted on other towers.
        """
        found = self.manifest.calibrations.get(precision)
        if found is not None and found.towers != self.manifest.towers[precision].calibrated_for():
            raise BundleError(
                f"the {precision} calibration in {self.folder} was fitted on other towers; "
                f"calibrate this bundle again: twinlens calibrate {self.folder} pairs.csv"
            )
        return found

    def check_file(self, name: str, wanted: str) -> None:
        """Compare the bytes of one file with a hash.

        Raises:
            BundleError: it is missing or was changed.
        """
        try:
            got = sha256_of(self.path(name))
        except OSError as error:
            raise BundleError(
                f"{self.folder} has no readable {name} ({error.strerror}); export it again"
            ) from error
        if got != wanted:
            raise BundleError(
                f"{self.path(name)} was changed after the export: sha256 {got[:12]}..., "
                f"wanted {wanted[:12]}...; export it again or copy it once more"
            )


def open_bundle(folder: Path) -> Bundle:
    """Read and check a bundle's manifest; the files themselves are checked by `Bundle.check`.

    Raises:
        BundleError: no bundle, one of another format, or a manifest with a wrong field.
    """
    path = folder / MANIFEST
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BundleError(
            f"{folder} is not a bundle: no readable {MANIFEST} ({error.strerror}); "
            "make one with twinlens-export"
        ) from error
    except (ValueError, RecursionError) as error:
        raise BundleError(f"{path} is not JSON ({error}); export it again") from error
    found = document.get("format") if isinstance(document, dict) else None
    if found != FORMAT:
        raise BundleError(
            f"{path} has format {found!r}, this twinlens reads {FORMAT}; "
            "export it again or install the matching twinlens"
        )
    try:
        manifest = dataclass_json.read(Manifest, document)
    except dataclass_json.RecordError as error:
        raise BundleError(f"{path} is damaged: {error}; export it again") from error
    for name in _names(manifest):
        if not _INSIDE.fullmatch(name):
            raise BundleError(f"{path} names {name!r}, which is no plain path inside the bundle")
    return Bundle(folder=folder, manifest=manifest)


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write the manifest, the last act of an export: a folder is a bundle from here on."""
    document = dataclass_json.write(manifest)
    text = json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    draft = folder / f"{MANIFEST}.draft"
    draft.write_text(text, encoding="utf-8")
    draft.replace(folder / MANIFEST)


def sha256_of(path: Path) -> str:
    """Hex digest of a file, read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _names(manifest: Manifest) -> list[str]:
    pairs = manifest.towers.values()
    towers = [name for pair in pairs for t in (pair.image, pair.text) for name in t.hashes()]
    return [*towers, *manifest.files]
