"""Bundle: one folder, the contract between export and runtime; read, checked, written."""

import contextlib
import hashlib
import json
import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from twinlens import dataclass_json
from twinlens.bundle.calibration import Calibration, CalibrationLevel, PairKind
from twinlens.bundle.manifest import FORMAT, Manifest, TowerFile
from twinlens.bundle.regular_file import open_regular, regular_size
from twinlens.bundle.sealed_json import SEAL, seal_of, write_sealed
from twinlens.bundle.specs import Precision
from twinlens.errors import BundleError, quoted

MANIFEST: Final = "twinlens.json"
"""Written last: a folder without one is not a bundle."""
CHECKPOINT: Final = "config.json"
"""File of a checkpoint of transformers."""

_INSIDE: Final = re.compile(r"\w[\w.-]*(/\w[\w.-]*)*")

MOST_BYTES: Final = 2**30
"""Largest file that is read, towers apart, whose size the manifest has: a sparse file of any size
costs nothing to make, and hours to read. tokenizer.json of SigLIP 2 has 34 million bytes."""
MOST_MANIFEST_BYTES: Final = 2**24
"""Largest manifest that is read; those of real bundles have some ten kilobytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """A bundle's folder, and its manifest, read and checked."""

    folder: Path
    manifest: Manifest

    def path(self, name: str) -> Path:
        """Return the path of a file of the bundle."""
        return self.folder / name

    def check(self, precision: Precision) -> None:
        """Compare all files that this precision reads with the hashes of the manifest.

        Raises:
            BundleError: a file is missing or was changed.
        """
        self.check_files()
        for tower in self.manifest.towers[precision].there().values():
            self.check_tower(tower)

    def check_tower(self, tower: TowerFile) -> None:
        """Compare the files of one tower with their size and the hashes of the manifest.

        Raises:
            BundleError: a file is missing or was changed.
        """
        self._check_size(tower)
        for name, wanted in tower.hashes().items():
            self._check_hash(name, wanted, most_bytes=tower.bytes)

    def check_files(self) -> None:
        """Compare the files that all precisions read, all but the towers, with their hashes.

        Raises:
            BundleError: a file is missing or was changed.
        """
        for name, wanted in self.manifest.files.items():
            self._check_hash(name, wanted, most_bytes=MOST_BYTES)

    def calibrations(self, precision: Precision) -> tuple[Calibration, ...]:
        """Return all calibrations of the towers of this precision, that of image-text pairs first.

        Raises:
            BundleError: it was fitted on other towers.
        """
        key = self.manifest.towers[precision].calibrated_for()
        found = self.manifest.calibrations.get(precision)
        further = tuple(one for one in self.manifest.further_calibrations if one.towers == key)
        if found is None:
            return further
        if found.towers != key:
            raise BundleError(
                f"the {precision} calibration in {self.folder} was fitted on other towers; "
                f"calibrate this bundle again: twinlens calibrate {self.folder} pairs.csv"
            )
        return (found, *further)

    def calibration(
        self,
        precision: Precision,
        *,
        pairs: PairKind = "image-text",
        level: CalibrationLevel | None = None,
    ) -> Calibration | None:
        """Return the calibration of the towers of this precision, if there is one.

        Args:
            precision: the precision.
            pairs: kind of the pairs.
            level: level wanted; by default any but "assumed".

        Raises:
            BundleError: it was fitted on other towers.
        """
        return choose_calibration(self.calibrations(precision), pairs=pairs, level=level)

    def _check_hash(self, name: str, wanted: str, *, most_bytes: int) -> None:
        try:
            got = sha256_of(self.path(name), most_bytes=most_bytes)
        except OSError as error:
            raise self._unreadable(name, error) from error
        if got != wanted:
            raise BundleError(
                f"{self.path(name)} was changed after the export: sha256 {got[:12]}..., "
                f"wanted {quoted(wanted[:12])}...; export it again or copy it once more"
            )

    def _check_size(self, tower: TowerFile) -> None:
        """Compare the bytes of a tower's files, all together, with those of the manifest."""
        got = 0
        for name in tower.hashes():
            try:
                got += regular_size(self.path(name))
            except OSError as error:
                raise self._unreadable(name, error) from error
        if got != tower.bytes:
            raise BundleError(
                f"{self.path(tower.file)} was changed after the export: {got} bytes, "
                f"wanted {tower.bytes}; export it again or copy it once more"
            )

    def _unreadable(self, name: str, error: OSError) -> BundleError:
        return BundleError(
            f"{self.folder} has no readable {quoted(name)} ({error.strerror}); export it again"
        )


def choose_calibration(
    calibrations: Iterable[Calibration], *, pairs: PairKind, level: CalibrationLevel | None
) -> Calibration | None:
    """Return the first calibration for such pairs, of that level or of any but "assumed"."""
    for one in calibrations:
        is_wanted = one.level == level if level is not None else one.level != "assumed"
        if one.pairs == pairs and is_wanted:
            return one
    return None


def open_bundle(folder: Path) -> Bundle:
    """Read and check a bundle's manifest; the files themselves are checked by `Bundle.check`.

    Raises:
        BundleError: no bundle, one of another format, or a manifest that was changed.
    """
    path = folder / MANIFEST
    document = _read_document(folder)
    found = document.get("format") if isinstance(document, dict) else None
    if not isinstance(document, dict) or found != FORMAT:
        raise BundleError(
            f"{path} has format {quoted(repr(found))}, this twinlens reads {FORMAT}; "
            "export it again or install the matching twinlens"
        )
    _require_seal(path, document)
    try:
        manifest = dataclass_json.read(Manifest, document)
    except (dataclass_json.RecordError, RecursionError) as error:
        raise BundleError(f"{path} is damaged: {error}; export it again") from error
    for name in _names(manifest):
        if not _INSIDE.fullmatch(name):
            raise BundleError(
                f"{path} names {quoted(repr(name))}, which is no plain path inside the bundle"
            )
    return Bundle(folder=folder, manifest=manifest)


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write the manifest, the last act of an export: a folder is a bundle from here on."""
    write_sealed(folder / MANIFEST, dataclass_json.write(manifest))


def _read_document(folder: Path) -> Any:  # noqa: ANN401  any value that JSON has
    path = folder / MANIFEST
    try:
        with open_regular(path, most_bytes=MOST_MANIFEST_BYTES) as file:
            content = file.read(MOST_MANIFEST_BYTES)
    except (OSError, ValueError) as error:  # ValueError: the path has a NUL
        if isinstance(error, FileNotFoundError) and not folder.exists():
            raise BundleError(
                f"{quoted(str(folder))} is not a bundle: it does not exist; "
                "give the folder that twinlens-export wrote, or 'demo'"
            ) from error
        reason = error.strerror if isinstance(error, OSError) else error
        raise BundleError(
            f"{quoted(str(folder))} is not a bundle: no readable {MANIFEST} ({reason}); "
            f"{_cure_of(folder)}"
        ) from error
    try:
        return json.loads(content.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise BundleError(f"{path} is not JSON ({error}); export it again") from error


def _cure_of(folder: Path) -> str:
    if folder.name == MANIFEST:
        return "give the folder that it lies in"
    with contextlib.suppress(OSError, ValueError):  # a name that the system refuses
        if (folder / CHECKPOINT).is_file():
            return "it is a checkpoint: twinlens-export makes a bundle of it"
    return "make one with twinlens-export"


def _require_seal(path: Path, document: dict[str, Any]) -> None:
    """Take the seal out of the document, and compare it with the fields."""
    found = document.pop(SEAL, None)
    if found is None:
        raise BundleError(f"{path} has no {SEAL} of its own; export it again")
    try:
        whole = found == seal_of(document)
    except RecursionError:
        whole = False
    if not whole:
        raise BundleError(
            f"{path} was changed after it was written: its fields do not match its own {SEAL}; "
            "export it again, copy it once more, or change it with twinlens calibrate"
        )


def sha256_of(path: Path, *, most_bytes: int = sys.maxsize) -> str:
    """Return the hex digest of a file, read in pieces.

    Raises:
        OSError: it is no regular file, is longer than `most_bytes`, or cannot be read.
    """
    with open_regular(path, most_bytes=most_bytes) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _names(manifest: Manifest) -> list[str]:
    towers = [name for towers in manifest.towers.values() for name in towers.hashes()]
    return [*towers, *manifest.files]
