"""Pixels are those of every family's own preprocessing, by its file and by its code."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pixel_tolerances import levels_of, require_close
from sklearn.datasets import load_sample_images

from twinlens.images.load import U8, load

pytest.importorskip("transformers")

import transformers
from pillow_processors import (
    ChineseCLIPImageProcessorPil,
    CLIPImageProcessorPil,
    SiglipImageProcessorPil,
)

from twinlens_export.checkpoints.image_processor import read_processor
from twinlens_export.checkpoints.open_clip.preprocessing import read_preprocess_cfg
from twinlens_export.checkpoints.preprocessing import Preprocessing

pytestmark = pytest.mark.export

SQUARE = {"height": 224, "width": 224}
PROCESSORS = {
    "CLIP": CLIPImageProcessorPil(),
    "CLIP at 336": CLIPImageProcessorPil(
        size={"shortest_edge": 336}, crop_size={"height": 336, "width": 336}
    ),
    "SigLIP": SiglipImageProcessorPil(),
    "SigLIP 2, fixed": SiglipImageProcessorPil(resample=2, size={"height": 256, "width": 256}),
    "Chinese-CLIP": ChineseCLIPImageProcessorPil(size=SQUARE, do_center_crop=False),
}
SIDES = {"CLIP at 336": 336, "SigLIP 2, fixed": 256}

OPEN_CLIP: Mapping[str, Mapping[str, Any]] = {
    "shortest": {},
    "squash": {"resize_mode": "squash", "mean": [0.5] * 3, "std": [0.5] * 3},
    "longest": {"resize_mode": "longest", "interpolation": "bilinear", "fill_color": 90},
}
CROPS = {
    "landscape": (0, 0, 640, 427),
    "odd": (3, 5, 340, 422),
    "portrait": (100, 0, 301, 427),
    "small": (200, 200, 321, 263),
}


@pytest.fixture(scope="module", params=CROPS)
def photo(request: pytest.FixtureRequest) -> Image.Image:
    return Image.fromarray(load_sample_images().images[1]).crop(CROPS[request.param])


def as_bytes(values: np.ndarray, seen: Preprocessing) -> U8:
    """Undo the normalisation of floats [3, S, S]."""
    normalization = seen.normalization
    mean, std = (np.array(part)[:, None, None] for part in (normalization.mean, normalization.std))
    pixels = (values * std + mean) / normalization.factor
    return np.rint(pixels).clip(0, 255).astype(np.uint8).transpose(1, 2, 0)


def check(photo: Image.Image, seen: Preprocessing, wanted: U8) -> None:
    require_close(load(photo, seen.image), wanted, levels_of(*photo.size))


@pytest.mark.parametrize("name", PROCESSORS)
def test_transformers_processors_are_followed(name: str, photo: Image.Image) -> None:
    processor = PROCESSORS[name]
    seen = read_processor(processor.to_dict(), side_px=SIDES.get(name, 224))
    (values,) = processor(photo, return_tensors="np")["pixel_values"]
    check(photo, seen, as_bytes(values, seen))


@pytest.mark.parametrize("name", PROCESSORS)
def test_torchvision_processors_are_followed(name: str, photo: Image.Image) -> None:
    pytest.importorskip("torchvision")
    fields = PROCESSORS[name].to_dict()
    seen = read_processor(fields, side_px=SIDES.get(name, 224))
    kind = getattr(transformers, fields.pop("image_processor_type"))
    (values,) = kind(**fields)(photo, return_tensors="pt")["pixel_values"]
    # torch resizes the width of every picture first, as Pillow before 13.
    seen = replace(seen, image=replace(seen.image, passes="width_first"))
    check(photo, seen, as_bytes(values.numpy(), seen))


@pytest.mark.parametrize("name", OPEN_CLIP)
def test_open_clips_transform_is_followed(name: str, photo: Image.Image) -> None:
    seen = read_preprocess_cfg(OPEN_CLIP[name], side_px=224)
    check(photo, seen, plain_open_clip(photo, OPEN_CLIP[name]))


@pytest.mark.parametrize("name", OPEN_CLIP)
def test_what_is_called_open_clips_transform_is_it(name: str, photo: Image.Image) -> None:
    open_clip = pytest.importorskip("open_clip")
    config = open_clip.transform.PreprocessCfg(**OPEN_CLIP[name])
    transform = open_clip.transform.image_transform_v2(config, is_train=False)
    seen = read_preprocess_cfg(OPEN_CLIP[name], side_px=224)
    wanted = as_bytes(transform(photo).numpy(), seen)
    np.testing.assert_array_equal(plain_open_clip(photo, OPEN_CLIP[name]), wanted)


def plain_open_clip(photo: Image.Image, fields: Mapping[str, Any]) -> U8:
    """Apply open_clip's transform at 224 pixels without torchvision and without normalisation."""
    side, mode = 224, fields.get("resize_mode", "shortest")
    bilinear = fields.get("interpolation") == "bilinear"
    filter_ = Image.Resampling.BILINEAR if bilinear else Image.Resampling.BICUBIC
    if mode == "squash":
        return np.asarray(photo.resize((side, side), filter_))
    if mode == "longest":
        ratio = max(photo.width / side, photo.height / side)
        width, height = (round(length / ratio) for length in photo.size)
        square = Image.new("RGB", (side, side), (fields["fill_color"],) * 3)
        place = (side - width) // 2, (side - height) // 2
        square.paste(photo.resize((width, height), filter_), place)
        return np.asarray(square)
    width, height = (side * length // min(photo.size) for length in photo.size)
    left, top = round((width - side) / 2), round((height - side) / 2)
    resized = photo.resize((width, height), filter_)
    return np.asarray(resized.crop((left, top, left + side, top + side)))
