"""A tiny CLIP of random weights, exported once: a million pictures in minutes."""

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import twinlens
from bench.harness.paths import BUILD, ROOT
from bench.harness.random_weights import accept_any_ranking
from twinlens import Model

WORK: Final = BUILD / "bench-bulk"
BUNDLE: Final = WORK / "tiny-clip"


@contextmanager
def work_folder() -> Iterator[Path]:
    """Make a folder for one run, and delete it: several may run at once."""
    WORK.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=WORK) as folder:
        yield Path(folder)


def tiny_model(*, threads: int) -> Model:
    """Load it: 32 px in patches of 16, one layer of width 64, embeddings of width 64."""
    if not (BUNDLE / "twinlens.json").exists():
        _export(BUNDLE)
    return twinlens.load(BUNDLE, device="cpu", precision="fp32", threads=threads)


def _export(bundle: Path) -> None:
    sys.path.insert(0, str(ROOT / "tests" / "kit" / "models"))
    from random_clips import ClipShape, save_random_clip  # noqa: PLC0415  torch, once

    from twinlens_export.exporter import export  # noqa: PLC0415

    shape = ClipShape(
        width=64, image_layers=1, text_width=64, text_layers=1, side_px=32, patch_px=16
    )
    checkpoint = WORK / "checkpoint"
    checkpoint.mkdir(parents=True, exist_ok=True)
    save_random_clip(checkpoint, shape)
    accept_any_ranking()
    export(checkpoint, bundle, precisions=("fp32",))
