"""The compiled passes give Pillow's bytes, by every instruction set."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image
from search_cases import PATHS

from twinlens_kernels import resample

U8 = NDArray[np.uint8]

FILTERS: dict[resample.Filter, Image.Resampling] = {
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}
pytestmark = pytest.mark.skipif(not resample.NATIVE, reason="the kernels are not compiled")

filters = st.sampled_from(list(FILTERS))
ends = st.tuples(st.floats(0, 1), st.floats(0, 1)).map(sorted)


def noise(height: int, width: int, seed: int, *, harsh: bool) -> Image.Image:
    """Random levels, or only black and white, with the most extreme weighted sums."""
    random = np.random.default_rng(seed)
    levels = random.integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(np.where(levels < 128, 0, 255).astype(np.uint8) if harsh else levels)


def part(size: int, ends: list[float]) -> tuple[float, float]:
    """A start and a stop, one hundredth of a pixel apart at least."""
    start = ends[0] * (size - 0.01)
    return start, min(float(size), max(start + 0.01, ends[1] * size))


@pytest.mark.parametrize("axis", ["across", "down"])
@pytest.mark.parametrize("path", PATHS)
@settings(max_examples=200, deadline=None)
@given(
    sides=st.tuples(st.integers(1, 90), st.integers(1, 60)),
    length=st.integers(1, 60),
    ends=ends,
    filter_=filters,
    harsh=st.booleans(),
    seed=st.integers(0, 999),
)
@example(sides=(9000, 5), length=3, ends=[0, 1], filter_="lanczos", harsh=True, seed=0)
@example(sides=(2, 3), length=3000, ends=[0, 1], filter_="lanczos", harsh=True, seed=0)
def test_each_pass_is_pillows(
    path: str,
    axis: str,
    sides: tuple[int, int],
    length: int,
    ends: list[float],
    filter_: resample.Filter,
    harsh: bool,
    seed: int,
) -> None:
    size, other = sides
    start, stop = part(size, ends)
    taps = resample.taps(size, start, stop, length, filter_)
    if axis == "across":
        image = noise(other, size, seed, harsh=harsh)
        target = np.empty((other, length, 3), dtype=np.uint8)
        resample.across(resample.pixels(image, other, size), taps, target, path=path)
        wanted = image.resize((length, other), FILTERS[filter_], (start, 0, stop, other))
    else:
        image = noise(size, other, seed, harsh=harsh)
        target = np.empty((length, other, 3), dtype=np.uint8)
        resample.down(np.asarray(image), taps, target, path=path)
        wanted = image.resize((other, length), FILTERS[filter_], (0, start, other, stop))
    np.testing.assert_array_equal(target, np.asarray(wanted))


def test_rows_may_be_apart_and_nothing_beside_them_is_touched() -> None:
    image = noise(20, 70, 1, harsh=False)
    source = resample.pixels(image, 20, 70)[3:14, 5:68]
    target = np.full((11, 40, 3), 7, dtype=np.uint8)
    resample.across(source, resample.taps(63, 0.5, 62.5, 30, "bicubic"), target[:, 4:34])
    wanted = image.crop((5, 3, 68, 14)).resize(
        (30, 11), Image.Resampling.BICUBIC, (0.5, 0, 62.5, 11)
    )
    np.testing.assert_array_equal(target[:, 4:34], np.asarray(wanted))
    assert (target[:, :4] == 7).all()
    assert (target[:, 34:] == 7).all()


def test_a_view_keeps_the_image_alive() -> None:
    image = noise(40, 30, 2, harsh=False)
    wanted, seen = np.asarray(image), resample.pixels(image, 40, 30)
    del image
    for _ in range(8):
        noise(40, 30, 3, harsh=False)
    np.testing.assert_array_equal(seen[..., :3], wanted)
    assert not seen.flags.writeable


@pytest.mark.parametrize("image", [Image.new("L", (4, 3)), Image.new("I", (4, 3))])
def test_pixels_of_another_kind_are_refused(image: Image.Image) -> None:
    with pytest.raises(ValueError, match=r"not .* lists of four uint8"):
        resample.pixels(image, 3, 4)


def test_pixels_of_another_size_are_refused() -> None:
    with pytest.raises(ValueError, match=r"not .* lists of four uint8"):
        resample.pixels(Image.new("RGB", (4, 3)), 4, 4)


@pytest.mark.parametrize(
    ("start", "stop"), [(-0.1, 3), (2, 2), (3, 2), (0, 5.1), (float("nan"), 3), (0, float("nan"))]
)
def test_ends_beyond_the_axis_are_refused(start: float, stop: float) -> None:
    with pytest.raises(ValueError, match="taps: ends"):
        resample.taps(5, start, stop, 2, "bicubic")


def test_shapes_that_do_not_fit_are_refused() -> None:
    four, three = np.zeros((6, 8, 4), dtype=np.uint8), np.zeros((6, 2, 3), dtype=np.uint8)
    taps = resample.taps(8, 0, 8, 2, "bilinear")
    resample.across(four, taps, three)
    with pytest.raises(ValueError, match="source"):
        resample.across(four[:, 1:], taps, three)
    with pytest.raises(ValueError, match="target"):
        resample.across(four, taps, three[1:])
    with pytest.raises(ValueError, match="strides"):
        resample.across(four[..., ::-1], taps, three)
    with pytest.raises(ValueError, match="source"):
        resample.down(three, taps, three)
    with pytest.raises(ValueError, match="path"):
        resample.across(four, taps, three, path="none such")
