"""Pixels of odd sizes against the processors of transformers themselves.

IMAGES.md has the figures on 1,000 sizes; here are fewer, with the tall ones among them.
"""

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from pillow_resize import NO_CHOICE, ORDER_IS_CHOSEN

from twinlens.bundle.specs import ImageSpec
from twinlens.images.load import load

pytest.importorskip("transformers")

from pillow_processors import CLIPImageProcessorPil, SiglipImageProcessorPil

pytestmark = [
    pytest.mark.export,
    pytest.mark.skipif(not ORDER_IS_CHOSEN, reason=NO_CHOICE),
]

RANDOM = np.random.default_rng(5)
SIZES = [
    *((33, 200), (63, 65), (200, 33), (224, 223), (100, 380), (300, 301), (250, 900)),
    *(tuple(size) for size in np.exp(RANDOM.uniform(np.log(16), np.log(700), (40, 2))).astype(int)),
]


def apart(processor: object, spec: ImageSpec, size: tuple[int, int]) -> tuple[int, bool]:
    """Return the greatest difference of noise of that size, in levels; True if it is magnified."""
    width, height = size
    pixels = RANDOM.integers(0, 256, (height, width, 3), dtype=np.uint8)
    wanted: NDArray[np.float32] = processor(Image.fromarray(pixels), return_tensors="np")[  # type: ignore[operator]
        "pixel_values"
    ][0].transpose(1, 2, 0)
    difference = np.abs(load(pixels, spec).astype(int) - wanted.astype(int))
    return int(difference.max()), min(size) < spec.side_px


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_a_squash_is_equal_to_the_bit(size: tuple[int, int]) -> None:
    processor = SiglipImageProcessorPil(
        do_rescale=False, do_normalize=False, size={"height": 224, "width": 224}
    )
    assert apart(processor, ImageSpec(side_px=224, resize="squash"), size)[0] == 0


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_a_crop_is_within_one_level_or_two_if_it_is_magnified(size: tuple[int, int]) -> None:
    processor = CLIPImageProcessorPil(do_rescale=False, do_normalize=False)
    difference, magnified = apart(processor, ImageSpec(side_px=224), size)
    assert difference <= 1 + magnified
