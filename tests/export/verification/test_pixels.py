"""The gate of pixels: those of the checkpoint's own image processor, or refused, or named."""

import json
import logging
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

import twinlens_export
from twinlens.images.load import load
from twinlens_export.architecture import F32
from twinlens_export.checkpoints.checkpoint import Checkpoint, read_checkpoint
from twinlens_export.errors import AgreementError
from twinlens_export.verification.pixels import NAMED, require_pixels
from twinlens_export.verification.samples import SampleFiles


class Changed:
    """A preparation whose pixels are changed before they are compared."""

    def __init__(
        self, checkpoint: Checkpoint, change: Callable[[Image.Image], Image.Image]
    ) -> None:
        self._own, self._change = checkpoint.preparation, change

    def ids(self, texts: list[str], context: int) -> NDArray[np.int64]:
        return self._own.ids(texts, context)

    def pixels(self, image: Image.Image) -> F32:
        return self._own.pixels(self._change(image))


def with_preparation(
    checkpoint: Checkpoint, change: Callable[[Image.Image], Image.Image]
) -> Checkpoint:
    return replace(checkpoint, preparation=Changed(checkpoint, change))


def test_photos_and_odd_images_have_the_pixels_of_the_own_processor(
    demo_shaped: Checkpoint, photos: list[Image.Image]
) -> None:
    require_pixels(demo_shaped, photos)


def test_another_crop_or_filter_is_refused(
    demo_shaped: Checkpoint, photos: list[Image.Image]
) -> None:
    for change in ({"interpolation": "bilinear"}, {"resize": "squash"}, {"side_px": 63}):
        spec = replace(demo_shaped.image_spec, **change)  # type: ignore[arg-type]
        with pytest.raises(AgreementError, match=r"pixels of an image .* own image processor"):
            require_pixels(replace(demo_shaped, image_spec=spec), photos)


def test_another_normalisation_is_refused(
    demo_shaped: Checkpoint, photos: list[Image.Image]
) -> None:
    normalization = replace(demo_shaped.image.normalization, mean=(0.5, 0.5, 0.5))
    image = replace(demo_shaped.image, normalization=normalization)
    with pytest.raises(AgreementError, match=r"levels of 255 from .* wanted at most 2"):
        require_pixels(replace(demo_shaped, image=image), photos)


def test_alpha_that_the_own_processor_drops_is_named(
    demo_shaped: Checkpoint, caplog: pytest.LogCaptureFixture
) -> None:
    # As open_clip does it.
    dropping = with_preparation(demo_shaped, lambda image: image.convert("RGB"))
    with caplog.at_level(logging.INFO, logger="twinlens_export"):
        require_pixels(dropping, [])
    assert "transparent pixels show the background" in caplog.text
    assert all(known.reason for known in NAMED)


def test_a_mode_that_the_own_processor_refuses_is_no_difference(demo_shaped: Checkpoint) -> None:
    def rgb_only(image: Image.Image) -> Image.Image:
        if image.mode != "RGB":
            raise ValueError("mean must have 1 elements")
        return image

    require_pixels(with_preparation(demo_shaped, rgb_only), [])


def test_a_processor_that_fails_is_an_error_of_ours(demo_shaped: Checkpoint) -> None:
    def failing(image: Image.Image) -> Image.Image:
        raise KeyError("x\n" * 1000)

    with pytest.raises(AgreementError, match="own image processor fails on an image of 640") as e:
        require_pixels(with_preparation(demo_shaped, failing), [])
    assert "\n" not in str(e.value)
    assert len(str(e.value)) < 300


def test_the_choice_of_an_implementation_is_no_difference(
    folders: Callable[[str], Path], sample_files: SampleFiles, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(folders("demo"), tmp_path / "copied"))
    path = folder / "preprocessor_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"use_fast": True}))
    assert read_checkpoint(str(folder)).image_spec.side_px == 64
    twinlens_export.export(folder, tmp_path / "out", precisions=["fp32"], samples=sample_files)


@pytest.mark.parametrize(("levels", "is_refused"), [(2, False), (3, True)])
def test_whole_levels_are_compared_whatever_floats_make_of_them(
    demo_shaped: Checkpoint, levels: int, is_refused: bool
) -> None:
    # (pixels * 1/255 - mean) / std and back is 2.00002 levels for some of 2 levels.
    class Brighter:
        def pixels(self, image: Image.Image) -> F32:
            ours = load(image, demo_shaped.image_spec).astype(np.float32)
            normalization = demo_shaped.image.normalization
            scaled = (ours + np.float32(levels)) * np.float32(normalization.factor)
            mean, std = np.float32(normalization.mean), np.float32(normalization.std)
            return ((scaled - mean) / std).transpose(2, 0, 1)

    checkpoint = replace(demo_shaped, preparation=Brighter())  # type: ignore[arg-type]
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    if not is_refused:
        require_pixels(checkpoint, [Image.fromarray(noise)])
        return
    with pytest.raises(AgreementError, match=r"3\.0 levels of 255"):
        require_pixels(checkpoint, [Image.fromarray(noise)])
