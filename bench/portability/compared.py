"""A model as a bundle and as a portable folder, in each of its precisions, and its rows."""

from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Final

import torch

import twinlens
import twinlens_export
from bench.harness.paths import ROOT
from bench.harness.random_weights import accept_any_ranking
from bench.parity.checkpoints.open_clip_folders import save_open_clip
from bench.parity.measure import samples
from bench.portability.blocks import Rows
from bench.portability.given import Given, make_given
from twinlens.bundle.bundle import Bundle
from twinlens.bundle.specs import Modality, Precision
from twinlens_export import SampleFiles
from twinlens_export.exporter import BUNDLED
from twinlens_export.portable.names import SUFFIXES

CONVNEXT: Final = "convnext_tiny, 2 layers of text"
CHECKPOINT: Final = ROOT / "export" / "demo_checkpoint"


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """A folder with all that the blocks read: `portable` and the inputs."""

    folder: Path
    bundle: Bundle
    given: Given

    @classmethod
    def demo(cls, folder: Path) -> "Compared":
        """Export the demo model, and write its portable folder and the inputs."""
        return cls._made(CHECKPOINT, folder)

    @classmethod
    def convnext(cls, folder: Path, library: ModuleType) -> "Compared":
        """Do the same for a small CLIP of OpenCLIP's library, whose image tower is traced.

        Its weights are random.
        """
        checkpoint = folder / "checkpoint"
        checkpoint.mkdir()
        torch.manual_seed(0)
        save_open_clip(CONVNEXT, library, checkpoint)
        accept_any_ranking()
        return cls._made(checkpoint, folder, samples(folder))

    @classmethod
    def _made(cls, checkpoint: Path, folder: Path, given: SampleFiles = BUNDLED) -> "Compared":
        precisions = list(SUFFIXES)
        bundle = twinlens_export.export(
            checkpoint, folder / "bundle", precisions=precisions, samples=given
        )
        twinlens_export.write_portable(bundle, folder / "portable", precisions)
        return cls(folder=folder, bundle=bundle, given=make_given(folder))

    def prepare(self, precision: Precision, folder: Path | None = None) -> dict[Modality, Rows]:
        """Write the inputs into a folder, by default its own, and return the rows of twinlens."""
        model = twinlens.load(self.bundle.folder, device="cpu", precision=precision)
        self.given.write(self.bundle, model, folder or self.folder)
        return self.given.rows(model)
