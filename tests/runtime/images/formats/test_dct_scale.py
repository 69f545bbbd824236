"""Mode "fast": large JPEGs are decoded smaller, everything else is exact."""

import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_sample_images

from twinlens.bundle.pixel_mode import PIXEL_MODES, pixel_mode
from twinlens.bundle.specs import ImageSpec
from twinlens.images.decoded_image import decode_file
from twinlens.images.formats.dct_scale import dct_reduction
from twinlens.images.load import U8, load, load_batch
from twinlens.images.read_options import READ_DEFAULTS

SPEC = ImageSpec(side_px=96)
SQUASH = replace(SPEC, resize="squash")
PAD = replace(SPEC, resize="pad")

MEAN = 0.8
"""Largest mean difference of the two modes, in levels."""
SHIFT = 3.0
"""Least factor by which a crop one pixel off differs more."""

SIZES = {
    "landscape": (1070, 803),
    "portrait": (803, 1070),
    "square": (1001, 1001),
    "panorama": (3000, 601),
    "tall": (601, 3000),
}


@pytest.fixture(scope="module")
def photo() -> Image.Image:
    return Image.fromarray(load_sample_images().images[0])


def jpeg(image: Image.Image, tag: int = 1, **options: object) -> bytes:
    exif, file = Image.Exif(), io.BytesIO()
    exif[274] = tag
    image.save(file, "JPEG", exif=exif, **options)  # type: ignore[arg-type]
    return file.getvalue()


def apart(left: U8, right: U8) -> float:
    return float(np.abs(left.astype(int) - right.astype(int)).mean())


def of_224(**changes: object) -> ImageSpec:
    return replace(ImageSpec(side_px=224), **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("size", "spec", "reduction"),
    [
        ((640, 480), of_224(), 1),
        ((1142, 1142), of_224(), 1),
        ((1143, 1143), of_224(), 2),
        ((1732, 1155), of_224(), 2),
        ((1600, 1200), of_224(), 2),
        ((4000, 3000), of_224(), 4),
        ((3000, 4000), of_224(), 4),
        ((6000, 4000), of_224(), 4),
        ((8000, 6000), of_224(), 8),
        ((12_000, 1200), of_224(), 2),
        ((1200, 12_000), of_224(resize="squash"), 2),
        ((12_000, 1200), of_224(resize="pad"), 8),
        ((4000, 3000), ImageSpec(side_px=64), 8),
        ((1, 20_000), of_224(), 1),
    ],
)
def test_the_crop_keeps_at_least_so_many_pixels(
    size: tuple[int, int], spec: ImageSpec, reduction: int
) -> None:
    assert dct_reduction(size, spec) == reduction


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("spec", [SPEC, SQUASH, PAD])
@pytest.mark.parametrize("subsampling", [0, 2])
def test_fast_pixels_are_nearly_exact(
    photo: Image.Image, size: str, spec: ImageSpec, subsampling: int
) -> None:
    content = jpeg(photo.resize(SIZES[size]), subsampling=subsampling, quality=90)
    exact, fast = load(content, spec), load(content, spec, mode="fast")
    assert 0 < apart(exact, fast) <= MEAN
    assert apart(exact[:, 1:], fast[:, :-1]) > SHIFT * apart(exact, fast)
    assert apart(exact[1:], fast[:-1]) > SHIFT * apart(exact, fast)


@pytest.mark.parametrize("tag", range(1, 9))
@pytest.mark.parametrize("spec", [SPEC, PAD])
def test_fast_pixels_are_turned_upright(photo: Image.Image, tag: int, spec: ImageSpec) -> None:
    content = jpeg(photo.resize((1070, 803)), tag, quality=90)
    assert apart(load(content, spec), load(content, spec, mode="fast")) <= MEAN


@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_fast_knows_gray_and_cmyk(photo: Image.Image, mode: str) -> None:
    content = jpeg(photo.resize((1070, 803)).convert(mode), quality=90)
    assert 0 < apart(load(content, SPEC), load(content, SPEC, mode="fast")) <= MEAN


def test_the_decoded_image_is_smaller(photo: Image.Image) -> None:
    file = io.BytesIO(jpeg(photo.resize((1071, 803))))
    decoded = decode_file(file, "the photo", SPEC, "fast", READ_DEFAULTS)
    assert (decoded.reduction, decoded.size, decoded.image.size) == (2, (1071, 803), (536, 402))
    assert decode_file(file, "the photo", SPEC, "exact", READ_DEFAULTS).image.size == (1071, 803)


def test_all_but_a_large_jpeg_is_exact(photo: Image.Image) -> None:
    large, small = photo.resize((1070, 803)), photo.resize((300, 200))
    files = [jpeg(small)]
    for kind in ("PNG", "WEBP", "BMP", "TIFF", "AVIF"):
        file = io.BytesIO()
        large.save(file, kind)
        files.append(file.getvalue())
    things = [*files, large, np.asarray(large), Image.open(io.BytesIO(jpeg(large)))]
    exact, fast = (load_batch(things, SPEC, mode=mode) for mode in PIXEL_MODES)
    np.testing.assert_array_equal(exact, fast)


def test_a_pil_image_that_is_unread_keeps_its_size(photo: Image.Image) -> None:
    with Image.open(io.BytesIO(jpeg(photo.resize((1070, 803))))) as image:
        load(image, SPEC, mode="fast")
        assert image.size == (1070, 803)


def test_a_large_jpeg_without_its_end_marker_is_whole(photo: Image.Image) -> None:
    content = jpeg(photo.resize((1070, 803)))
    for mode in PIXEL_MODES:
        np.testing.assert_array_equal(
            load(content[:-2], SPEC, mode=mode), load(content, SPEC, mode=mode)
        )


def test_a_mode_that_does_not_exist_is_refused() -> None:
    assert [pixel_mode(name) for name in PIXEL_MODES] == ["exact", "fast"]
    with pytest.raises(ValueError, match="the pixel mode is 'quick', not exact or fast"):
        pixel_mode("quick")
