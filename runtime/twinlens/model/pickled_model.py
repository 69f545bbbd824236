"""Pickled model: place and hash of its bundle, and the options by which it is opened anew."""

from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Final

from twinlens import dataclass_json
from twinlens.bundle.bundle import Bundle, open_bundle
from twinlens.bundle.manifest import Manifest
from twinlens.bundle.sealed_json import seal_of
from twinlens.errors import BundleError
from twinlens.model.model_options import ModelOptions
from twinlens.ort.device_choice import resolve

_PACKAGE: Final = Path(str(files("twinlens")))


@dataclass(frozen=True, slots=True, kw_only=True)
class PickledModel:
    """A model without its towers, as it travels to another process."""

    place: str
    """Absolute path of the bundle, or its path inside the package, which may lie elsewhere."""
    seal: str
    """sha256 of the manifest, which has the hashes of all other files."""
    options: ModelOptions

    @classmethod
    def of(cls, bundle: Bundle, options: ModelOptions) -> "PickledModel":
        """Return that of an open model, whose folder is absolute."""
        folder = bundle.folder
        inside = folder.relative_to(_PACKAGE) if folder.is_relative_to(_PACKAGE) else folder
        return cls(place=str(inside), seal=_seal(bundle.manifest), options=options)

    def reopen(self) -> Bundle:
        """Open the bundle, and check that it is still the same, and that its device is here.

        Raises:
            BundleError: it is not in its place, or was changed.
            ProviderError: the device cannot be used in this process.
        """
        folder = _PACKAGE / self.place  # an absolute path stays as it is
        try:
            bundle = open_bundle(folder)
        except BundleError as error:
            raise BundleError(
                f"a pickled model opens its bundle anew, but {error}; or copy the bundle to "
                "the same place on each machine"
            ) from error
        got = _seal(bundle.manifest)
        if got != self.seal:
            raise BundleError(
                f"{folder} is not the bundle of the pickled model: its manifest has sha256 "
                f"{got[:12]}..., wanted {self.seal[:12]}...; load the model again, or copy the "
                "same bundle to each machine"
            )
        resolve(str(self.options.device))
        return bundle


def _seal(manifest: Manifest) -> str:
    return seal_of(dataclass_json.write(manifest))
