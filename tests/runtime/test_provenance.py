"""Embeddings that were made differently are not compared unknowingly."""

import io
import os
import subprocess
import sys

import numpy as np
import pytest
from half_demo import half_demo

import twinlens
from twinlens import Model
from twinlens.demo.samples import bundled_drawings
from twinlens.errors import IndexFileError
from twinlens.images.pixel_options import PixelOptions
from twinlens.images.read_options import ReadOptions
from twinlens.provenance import check_about
from twinlens_kernels import operators


def test_a_model_says_what_made_its_embeddings(model: Model) -> None:
    assert model.about == {
        "model": "twinlens emoji CLIP",
        "sha256": model.about["sha256"],
        "precision": "int8",
        "pixels": "exact",
        "passes": "pillow_13",
        "operators": operators.path() or "onnxruntime",
    }
    assert len(model.about["sha256"]) == 64
    black = PixelOptions(mode="fast", read=ReadOptions(background=(0, 0, 0)))
    assert twinlens.load("demo", device="cpu", pixels=black).about["pixels"] == (
        "fast, background (0, 0, 0)"
    )


def test_the_order_of_the_passes_is_a_choice_that_the_embeddings_tell(model: Model) -> None:
    other = twinlens.load("demo", device="cpu", pixels=PixelOptions(passes="width_first"))
    assert other.about == {**model.about, "passes": "width_first"}
    tall = np.random.default_rng(0).integers(0, 256, (900, 200, 3), dtype=np.uint8)
    wide = np.ascontiguousarray(tall.transpose(1, 0, 2))
    assert not np.array_equal(other.embed_images([tall]), model.embed_images([tall]))
    np.testing.assert_array_equal(other.embed_images([wide]), model.embed_images([wide]))
    check_about(model.about, other.about, modality="text")


def test_the_same_making_is_accepted_and_an_untold_one_too(model: Model) -> None:
    check_about(model.about, model.about, modality="image")
    check_about({}, model.about, modality="image")
    check_about({**model.about, "note": "mine"}, model.about, modality="image")


@pytest.mark.parametrize(
    ("name", "value", "cure"),
    [
        ("precision", "fp32", "load the model with precision='fp32'"),
        ("pixels", "fast", "load the model with pixels='fast'"),
        ("passes", "width_first", r"pixels=PixelOptions\(passes='width_first'\)"),
        ("sha256", "0" * 64, "load the model that made it"),
    ],
)
def test_another_making_is_refused_and_both_are_named(
    model: Model, name: str, value: str, cure: str
) -> None:
    stored = {**model.about, name: value}
    with pytest.raises(IndexFileError, match=cure) as caught:
        check_about(stored, model.about, modality="image")
    message = str(caught.value)
    assert message.startswith("the index was made with model twinlens emoji CLIP, sha256 ")
    assert f"{name} {value[:12]}" in message.partition("but this model is")[0]
    assert f"{name} {model.about[name][:12]}" in message.partition("but this model is")[2]


def test_texts_do_not_care_for_the_pixels(model: Model) -> None:
    stored = {**model.about, "pixels": "fast"}
    check_about(stored, model.about, modality="text")
    with pytest.raises(IndexFileError):
        check_about({**stored, "precision": "fp32"}, model.about, modality="text")


def test_what_may_be_mixed_is_said(model: Model) -> None:
    check_about(
        {**model.about, "precision": "fp32"}, model.about, modality="text", mixed=["precision"]
    )


def test_only_a_precision_with_native_operators_names_them() -> None:
    assert "operators" not in twinlens.load(half_demo(), device="cpu", precision="fp16").about


@pytest.mark.parametrize("modality", ["image", "text"])
def test_other_operators_are_a_warning_and_no_refusal(
    model: Model, modality: twinlens.Modality, caplog: pytest.LogCaptureFixture
) -> None:
    stored = {**model.about, "operators": "another"}
    check_about(stored, model.about, modality=modality)
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert "made with operators another, this model has" in record.message
    caplog.clear()
    check_about(model.about, model.about, modality=modality)
    check_about(stored, model.about, modality=modality, mixed=["operators"])
    without = {name: value for name, value in model.about.items() if name != "operators"}
    check_about(without, model.about, modality=modality)
    assert not caplog.records


@pytest.mark.skipif(operators.path() is None, reason="there are no native operators here")
def test_rows_by_other_operators_are_as_close_as_said(model: Model) -> None:
    drawings = bundled_drawings()
    code = (
        "import numpy as np, sys, twinlens; "
        "from twinlens.demo.samples import bundled_drawings as drawings; "
        "model = twinlens.load('demo', device='cpu'); "
        "assert model.about['operators'] == 'onnxruntime'; "
        "images = model.embed_images([drawing.path for drawing in drawings()]); "
        "texts = model.embed_texts([drawing.caption for drawing in drawings()]); "
        "np.save(sys.stdout.buffer, np.concatenate([images, texts]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "TWINLENS_OPERATORS": "none"},
        capture_output=True,
        check=True,
    )
    theirs = np.load(io.BytesIO(done.stdout))
    images = model.embed_images([drawing.path for drawing in drawings])
    texts = model.embed_texts([drawing.caption for drawing in drawings])
    cosines = (np.concatenate([images, texts]) * theirs).sum(axis=1)
    assert 0.9997 <= cosines.min() < 1
