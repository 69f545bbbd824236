"""The bundle of every family, opened by the runtime and as other tools read it."""

from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx.reference import ReferenceEvaluator
from PIL import Image
from transformers import AutoImageProcessor, AutoTokenizer
from transformers_rows import transformers_rows

import twinlens
import twinlens_export
from twinlens.__main__ import main
from twinlens.bundle.bundle import Bundle
from twinlens.bundle.specs import PRECISIONS, Precision
from twinlens_export.portable.names import SUFFIXES
from twinlens_export.verification import verify
from twinlens_export.verification.odd_texts import ODD_TEXTS
from twinlens_export.verification.samples import SampleFiles
from twinlens_export.verification.verify import Tolerance

OUTPUTS = ["text_embeds", "image_embeds"]
TEXTS = ["a dog", "Two CATS, asleep!", "x", "it is a drawing of a bus in the rain " * 9]


@pytest.fixture(scope="module")
def bundle_of(
    family_folder: Callable[[str], Path],
    sample_files: SampleFiles,
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[[str], Bundle]:
    """Return the bundle of a family in every precision; exported once."""

    def export(name: str) -> Bundle:
        out = tmp_path_factory.mktemp("bundles") / name
        with pytest.MonkeyPatch.context() as patch:
            # Random towers put all images almost in one place, so rankings mean little.
            patch.setitem(verify.TOLERANCES, "int8", Tolerance(worst_cosine=0.995))  # type: ignore[arg-type]
            return twinlens_export.export(
                family_folder(name), out, precisions=PRECISIONS, samples=sample_files
            )

    return cache(export)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_the_runtime_agrees_with_transformers_from_end_to_end(
    family: str,
    precision: Precision,
    bundle_of: Callable[[str], Bundle],
    family_folder: Callable[[str], Path],
    photos: list[Image.Image],
) -> None:
    bundle = bundle_of(family)
    model = twinlens.load(bundle.folder, device="cpu", precision=precision)
    image_rows, text_rows = transformers_rows(family_folder(family), photos, TEXTS)
    # Resampling differs by up to two levels between Pillow's and torchvision's ways.
    assert (model.embed_images(photos) * image_rows).sum(axis=1).min() > 0.999
    least = verify.TOLERANCES[precision].worst_cosine
    assert (model.embed_texts(TEXTS) * text_rows).sum(axis=1).min() > least


def test_other_tools_have_the_rows_of_the_runtime(
    family: str, bundle_of: Callable[[str], Bundle], photos: list[Image.Image], tmp_path: Path
) -> None:
    """By AutoTokenizer, AutoImageProcessor and ONNX's own definition of its operators."""
    bundle, texts, photos = bundle_of(family), [*TEXTS, *ODD_TEXTS[:8]], photos[:4]
    for place in (bundle.folder, tmp_path / "portable"):
        if place != bundle.folder:
            twinlens_export.write_portable(bundle, place, list(SUFFIXES))
        ids = AutoTokenizer.from_pretrained(place)(texts, padding=True, truncation=True)
        pixels = AutoImageProcessor.from_pretrained(place)(photos, return_tensors="np")
    outputs = ["pooler_output"] * 2 if family.startswith("siglip") else OUTPUTS
    for precision, suffix in SUFFIXES.items():
        model = twinlens.load(bundle.folder, device="cpu", precision=precision)
        for stem, output, given, wanted in (
            ("text", outputs[0], np.array(ids["input_ids"]), model.embed_texts(texts)),
            ("vision", outputs[1], pixels["pixel_values"], model.embed_images(photos)),
        ):
            file = place / "onnx" / f"{stem}_model{suffix}.onnx"
            (name,) = (one.name for one in onnx.load(file).graph.input)
            (rows,) = ReferenceEvaluator(str(file)).run([output], {name: given})
            # Resampling differs by up to two levels between Pillow's and torchvision's ways.
            assert np.einsum("nd,nd->n", rows, wanted).min() > 0.999, file


def test_the_manifest_names_the_family_and_the_width(
    family: str, bundle_of: Callable[[str], Bundle]
) -> None:
    manifest = bundle_of(family).manifest
    assert manifest.family == {"siglip2": "siglip"}.get(family, family)
    assert manifest.width == {"clip": 48, "metaclip_2": 64, "chinese_clip": 96, "altclip": 48}.get(
        family, 128
    )


@pytest.mark.parametrize("precision", PRECISIONS)
def test_siglip_brings_its_own_sense_of_a_match(
    precision: Precision, bundle_of: Callable[[str], Bundle], photos: list[Image.Image]
) -> None:
    model = twinlens.load(bundle_of("siglip").folder, device="cpu", precision=precision)
    assert model.level == "native"
    texts = ["a dog"] * len(photos)
    cosines = (model.embed_images(photos) * model.embed_texts(texts)).sum(axis=1)
    wanted = 1 / (1 + np.exp(12.5 - np.exp(4.5) * cosines.astype(np.float64)))
    np.testing.assert_allclose(model.match(photos, texts), wanted, rtol=1e-4)
    prior = model.calibration.prior
    assert prior == 1 / 32768
    # With half of all pairs matching, the odds rise by as much as matches were rarer in training.
    odds = np.asarray(model.match(photos, texts, prior=0.5), dtype=np.float64)
    raised = wanted / (1 - wanted) * (1 - prior) / prior
    np.testing.assert_allclose(odds, raised / (1 + raised), rtol=1e-4)


def test_info_tells_where_siglips_sense_of_a_match_is_from(
    bundle_of: Callable[[str], Bundle], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["info", str(bundle_of("siglip").folder)]) == 0
    line = "sigmoid(90.02 cos -12.50), native, the checkpoint's own training, in batches of 32768"
    assert line in capsys.readouterr().out


def test_other_families_bring_none(bundle_of: Callable[[str], Bundle]) -> None:
    assert not bundle_of("clip").manifest.calibrations
