"""Exports of tiny checkpoints that are no folder of a whole model."""

from collections.abc import Callable
from pathlib import Path

import pytest

import twinlens
import twinlens_export
from twinlens_export.verification import verify
from twinlens_export.verification.samples import SampleFiles
from twinlens_export.verification.verify import Tolerance


@pytest.fixture
def exported(
    sample_files: SampleFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., twinlens.Model]:
    """Export a checkpoint in fp32, or in the precisions named, and open the bundle."""
    # Random towers put all images almost in one place, so rankings mean little.
    monkeypatch.setitem(verify.TOLERANCES, "int8", Tolerance(worst_cosine=0.995))  # type: ignore[arg-type]

    samples_of = {
        "both": sample_files,
        "image": SampleFiles(images=sample_files.images),
        "text": SampleFiles(texts=sample_files.texts),
    }

    def export(
        checkpoint: Path,
        *,
        precision: str = "fp32",
        only: str = "both",
        **options: object,
    ) -> twinlens.Model:
        bundle = twinlens_export.export(
            checkpoint,
            tmp_path / "bundle",
            precisions=[precision],  # type: ignore[list-item]
            samples=samples_of[only],
            force=True,
            **options,  # type: ignore[arg-type]
        )
        return twinlens.load(bundle.folder, device="cpu", threads=1)

    return export
