"""Bundle: one folder, the contract between export and runtime; read, checked, written."""

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from twinlens import dataclass_json
from twinlens.bundle.calibration import Calibration
from twinlens.bundle.manifest import FORMAT, Manifest, TowerFile
from twinlens.bundle.specs import Precision
from twinlens.errors import BundleError

MANIFEST: Final = "twinlens.json"
"""Written last: a folder without one is not a bundle."""

_INSIDE: Final = re.compile(r"\w[\w.-]*(/\w[\w.-]*)*")


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
        towers = self.manifest.towers[precision]
        self.check_files()
        for tower in (towers.image, towers.text):
            self.check_tower(tower)

    def check_tower(self, tower: TowerFile) -> None:
        """Compare the files of one tower with the hashes of the manifest.

        Raises:
            BundleError: a file is missing or was changed.
        """
        for name, wanted in tower.hashes().items():
            self.check_file(name, wanted)

    def check_files(self) -> None:
        """Compare the files that all precisions read, all but the towers, with their hashes.

        Raises:
            BundleError: a file is missing or was changed.
        """
        for name, wanted in self.manifest.files.items():
            self.check_file(name, wanted)

    def calibration(self, precision: Precision) -> Calibration | None:
        """Return the calibration of the towers of this precision, if there is one.

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
        """Compare one file with a sha256.

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
    """Return the hex digest of a file, read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _names(manifest: Manifest) -> list[str]:
    pairs = manifest.towers.values()
    towers = [name for pair in pairs for t in (pair.image, pair.text) for name in t.hashes()]
    return [*towers, *manifest.files]
