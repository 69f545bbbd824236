"""Pixels are those of transformers' own processor; its Pillow backend is the reference."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pixel_tolerances import ROUNDING, levels_of, require_close
from sklearn.datasets import load_sample_images

from twinlens.bundle.specs import ImageSpec
from twinlens.images.load import U8, load

pytest.importorskip("transformers")

from pillow_processors import CLIPImageProcessorPil
from transformers.image_utils import load_image
from transformers_version import IS_TRANSFORMERS_4

pytestmark = pytest.mark.export

CROPS = {
    "landscape": (0, 0, 640, 427),
    "portrait": (100, 0, 300, 427),
    "square": (50, 0, 477, 427),
    "odd": (3, 5, 340, 422),
    "a strip": (0, 100, 640, 150),
    "a tall strip": (30, 0, 67, 427),
    "a stamp": (200, 200, 251, 263),
}


@pytest.fixture(scope="module")
def photos() -> list[Image.Image]:
    return [Image.fromarray(photo) for photo in load_sample_images().images]


def reference(image: Image.Image, side: int, **options: object) -> U8:
    """Return the pixels of transformers' processor before it scales to floats."""
    processor = CLIPImageProcessorPil(
        **{
            "size": {"shortest_edge": side},
            "crop_size": {"height": side, "width": side},
            "do_rescale": False,
            "do_normalize": False,
            **options,
        }
    )
    (pixels,) = processor(image, return_tensors="np")["pixel_values"]
    return np.asarray(pixels).transpose(1, 2, 0).astype(np.uint8)


@pytest.mark.parametrize("crop", CROPS)
@pytest.mark.parametrize("side", [96, 224, 336])
def test_pixels_of_photos_are_those_of_transformers(
    photos: list[Image.Image], crop: str, side: int
) -> None:
    for photo in photos:
        image = photo.crop(CROPS[crop])
        levels = levels_of(*image.size)
        require_close(load(image, ImageSpec(side_px=side)), reference(image, side), levels)


@pytest.mark.parametrize(
    ("interpolation", "resample"), [("bilinear", 2), ("bicubic", 3), ("lanczos", 1)]
)
def test_squashed_pixels_are_those_of_transformers(
    photos: list[Image.Image], interpolation: str, resample: int
) -> None:
    spec = ImageSpec(side_px=224, resize="squash", interpolation=interpolation)  # type: ignore[arg-type]
    wanted = reference(
        photos[0],
        224,
        size={"height": 224, "width": 224},
        do_center_crop=False,
        resample=resample,
    )
    require_close(load(photos[0], spec), wanted, ROUNDING)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "L", "1", "CMYK"])
def test_every_mode_is_read_as_transformers_reads_it(photos: list[Image.Image], mode: str) -> None:
    image = photos[0].convert(mode)
    if "A" in mode:
        image.putalpha(Image.linear_gradient("L").resize(image.size))
    # transformers 4 drops the alpha: it gets the picture on white, where 5 lays it.
    shown = on_white(image) if IS_TRANSFORMERS_4 and "A" in mode else image
    require_close(load(image, ImageSpec(side_px=224)), reference(shown, 224), ROUNDING)


def on_white(image: Image.Image) -> Image.Image:
    white = Image.new("RGBA", image.size, "white")
    return Image.alpha_composite(white, image.convert("RGBA")).convert("RGB")


@pytest.mark.parametrize("tag", range(1, 9))
def test_files_are_turned_as_transformers_turns_them(
    photos: list[Image.Image],
    tag: int,
    tmp_path: Path,
) -> None:
    exif = Image.Exif()
    exif[274] = tag
    file = io.BytesIO()
    photos[1].save(file, "JPEG", exif=exif, quality=95)
    path = tmp_path / "photo.jpg"
    path.write_bytes(file.getvalue())
    image = load_image(str(path))
    levels = levels_of(*image.size)
    require_close(load(path, ImageSpec(side_px=224)), reference(image, 224), levels)
