"""The demo model as a bundle and as a portable folder, in each of its precisions, and its rows."""

from dataclasses import dataclass
from pathlib import Path

import twinlens
import twinlens_export
from bench.harness.paths import ROOT
from bench.portability.blocks import Rows
from bench.portability.given import Given, make_given
from twinlens.bundle.bundle import Bundle
from twinlens.bundle.specs import Modality, Precision
from twinlens_export.portable.names import SUFFIXES

CHECKPOINT = ROOT / "export" / "demo_checkpoint"


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """A folder with all that the blocks read: `portable` and the inputs."""

    folder: Path
    bundle: Bundle
    given: Given

    @classmethod
    def made(cls, folder: Path) -> "Compared":
        """Export the demo model, and write its portable folder and the inputs."""
        precisions = list(SUFFIXES)
        bundle = twinlens_export.export(CHECKPOINT, folder / "bundle", precisions=precisions)
        twinlens_export.write_portable(bundle, folder / "portable", precisions)
        return cls(folder=folder, bundle=bundle, given=make_given(folder))

    def prepare(self, precision: Precision, folder: Path | None = None) -> dict[Modality, Rows]:
        """Write the inputs into a folder, by default its own, and return the rows of twinlens."""
        model = twinlens.load(self.bundle.folder, device="cpu", precision=precision)
        self.given.write(self.bundle, model, folder or self.folder)
        return self.given.rows(model)
