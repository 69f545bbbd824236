"""Embeddings that were made differently are not compared unknowingly."""

import pytest

import twinlens
from twinlens import Model
from twinlens.errors import IndexFileError
from twinlens.images.pixel_options import PixelOptions
from twinlens.images.read_options import ReadOptions
from twinlens.provenance import check_about


def test_a_model_says_what_made_its_embeddings(model: Model) -> None:
    assert model.about == {
        "model": "twinlens emoji CLIP",
        "sha256": model.about["sha256"],
        "precision": "int8",
        "pixels": "exact",
    }
    assert len(model.about["sha256"]) == 64
    black = PixelOptions(mode="fast", read=ReadOptions(background=(0, 0, 0)))
    assert twinlens.load("demo", device="cpu", pixels=black).about["pixels"] == (
        "fast, background (0, 0, 0)"
    )


def test_the_same_making_is_accepted_and_an_untold_one_too(model: Model) -> None:
    check_about(model.about, model.about, modality="image")
    check_about({}, model.about, modality="image")
    check_about({**model.about, "note": "mine"}, model.about, modality="image")


@pytest.mark.parametrize(
    ("name", "value", "cure"),
    [
        ("precision", "fp32", "load the model with precision='fp32'"),
        ("pixels", "fast", "load the model with pixels='fast'"),
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
