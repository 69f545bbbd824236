"""The export of traced towers: the same bundle, gate and rows as of any tower."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import onnx
import pytest
import torch
from PIL import Image
from transformers_rows import transformers_rows

import twinlens
import twinlens_export
from twinlens.bundle.bundle import Bundle
from twinlens.bundle.specs import PRECISIONS, Precision
from twinlens_export import exporter
from twinlens_export.checkpoints.checkpoint import Checkpoint, read_checkpoint
from twinlens_export.checkpoints.tracing import as_module, traced_image_tower, traced_text_tower
from twinlens_export.errors import AgreementError
from twinlens_export.graph.names import TOWER_NAMES
from twinlens_export.portable.names import SUFFIXES
from twinlens_export.verification import verify
from twinlens_export.verification.samples import SampleFiles
from twinlens_export.verification.verify import Tolerance

TEXTS = ["a dog", "Two CATS, asleep!", "x", "a bus in the rain " * 20]

Export = Callable[[Checkpoint, Path], Bundle]
ENDS = sorted(name for name in TOWER_NAMES if "." not in name)


def idle_map(width: int) -> torch.nn.Linear:
    """Return a linear map that changes nothing."""
    linear = torch.nn.Linear(width, width, bias=False)
    torch.nn.init.eye_(linear.weight)
    return linear


def traced(folder: Path) -> Checkpoint:
    """A CLIP of transformers, both towers traced as if they were no known transformers.

    It has further maps, which are named as the ends of a tower are.
    """
    checkpoint = read_checkpoint(str(folder))
    theirs: Any = checkpoint.model
    for name in ENDS:
        theirs.model.add_module(name, idle_map(checkpoint.width))

    def behind(features: torch.Tensor) -> torch.Tensor:
        for name in ENDS:
            features = theirs.model.get_submodule(name)(features)
        return features

    return replace(
        checkpoint,
        image=traced_image_tower(
            as_module(lambda pixels: behind(theirs.image_features(pixels)), theirs.model),
            side_px=checkpoint.image_spec.side_px,
            normalization=checkpoint.image.normalization,
        ),
        text=traced_text_tower(
            as_module(lambda ids: behind(theirs.text_features(ids)), theirs.model),
            context=checkpoint.text_spec.context,
            vocabulary=checkpoint.text.vocabulary,
            trim=True,
        ),
    )


@pytest.fixture(scope="module")
def checkpoint(folders: Callable[[str], Path]) -> Checkpoint:
    return traced(folders("demo"))


@pytest.fixture(scope="module")
def export(sample_files: SampleFiles) -> Export:
    """Export a checkpoint that was read already."""

    def exported(checkpoint: Checkpoint, out: Path) -> Bundle:
        with pytest.MonkeyPatch.context() as patch:
            # Random towers put all images almost in one place, so rankings mean little.
            patch.setitem(verify.TOLERANCES, "int8", Tolerance(worst_cosine=0.995))  # type: ignore[arg-type]
            patch.setattr(exporter, "read_checkpoint", lambda _: checkpoint)
            return twinlens_export.export("any", out, precisions=PRECISIONS, samples=sample_files)

    return exported


@pytest.fixture(scope="module")
def bundle(
    checkpoint: Checkpoint, export: Export, tmp_path_factory: pytest.TempPathFactory
) -> Bundle:
    return export(checkpoint, tmp_path_factory.mktemp("bundles") / "traced")


@pytest.mark.parametrize("precision", PRECISIONS)
def test_the_runtime_agrees_with_transformers_from_end_to_end(
    precision: Precision,
    bundle: Bundle,
    folders: Callable[[str], Path],
    photos: list[Image.Image],
) -> None:
    model = twinlens.load(bundle.folder, device="cpu", precision=precision)
    image_rows, text_rows = transformers_rows(folders("demo"), photos, TEXTS)
    # Resampling differs by up to two levels between Pillow's and torchvision's ways.
    assert (model.embed_images(photos) * image_rows).sum(axis=1).min() > 0.999
    least = verify.TOLERANCES[precision].worst_cosine
    assert (model.embed_texts(TEXTS) * text_rows).sum(axis=1).min() > least


def test_other_tools_read_traced_towers(bundle: Bundle, tmp_path: Path) -> None:
    lines = twinlens_export.write_portable(bundle, tmp_path / "portable", list(SUFFIXES))
    assert len(lines) == 2 * len(SUFFIXES) + 1
    for line in lines[:-1]:
        name, *_, cosine = line.split()
        assert float(cosine) > 0.9995, line
        model = onnx.load(tmp_path / "portable" / name)
        assert {node.domain for node in model.graph.node} == {""}
        assert not model.functions


def test_int8_is_smaller_and_fp32_has_native_graphs(
    bundle: Bundle,
) -> None:
    towers = bundle.manifest.towers["int8"]
    assert towers.image.kept == ()  # its convolution cuts patches: a linear map
    assert towers.text.kept == ()
    fp32 = bundle.manifest.towers["fp32"]
    assert towers.text.bytes < 0.5 * fp32.text.bytes
    assert fp32.image.native
    assert towers.image.shape_nodes


def test_a_size_that_the_model_fixes_is_refused_by_its_precision(
    checkpoint: Checkpoint, export: Export, tmp_path: Path
) -> None:
    class Fixed(torch.nn.Module):
        def forward(self, pixels: torch.Tensor) -> torch.Tensor:
            return pixels.reshape(2, 3, -1).mean(2)  # two, in any batch

    fixed = traced_image_tower(
        Fixed(),
        side_px=checkpoint.image_spec.side_px,
        normalization=checkpoint.image.normalization,
    )
    with pytest.raises(AgreementError, match=r"image tower in fp32 .*batch of any size"):
        export(replace(checkpoint, image=fixed), tmp_path / "fixed")
    assert list(tmp_path.iterdir()) == []
