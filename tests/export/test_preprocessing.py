"""What an image processor does, as values."""

from types import SimpleNamespace
from typing import Any

import pytest

from twinlens.bundle import ImageSpec
from twinlens_export.anatomy import Pixels
from twinlens_export.errors import CheckpointError
from twinlens_export.preprocessing import image_spec, pixels

TOWER = SimpleNamespace(image_size=64)


def processor(**changes: object) -> SimpleNamespace:
    usual = {
        "do_resize": True,
        "size": {"shortest_edge": 64},
        "resample": 3,
        "do_center_crop": True,
        "crop_size": {"height": 64, "width": 64},
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": [0.5, 0.4, 0.3],
        "image_std": [0.2, 0.3, 0.4],
    }
    return SimpleNamespace(**(usual | changes))


def test_shortest_edge_then_crop() -> None:
    assert image_spec(processor(), TOWER) == ImageSpec(side_px=64, resize="shortest_edge")


def test_a_height_and_a_width_squash() -> None:
    squashing = processor(size={"height": 64, "width": 64}, do_center_crop=False)
    assert image_spec(squashing, TOWER).resize == "squash"


@pytest.mark.parametrize(("number", "name"), [(1, "lanczos"), (2, "bilinear"), (3, "bicubic")])
def test_filters_are_known_by_pillows_numbers(number: int, name: str) -> None:
    assert image_spec(processor(resample=number), TOWER).interpolation == name


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"size": {"shortest_edge": 72}}, "resizes to 72 and crops to 64, the tower sees 64"),
        ({"crop_size": {"height": 48, "width": 48}}, "crops to 48"),
        ({"size": {"height": 64, "width": 48}}, "not square"),
        ({"do_center_crop": False}, "set do_center_crop to true"),
        ({"do_resize": False}, "set do_resize to true"),
        ({"resample": 0}, r"filter 0, .* 1 \(lanczos\)"),
    ],
)
def test_what_the_runtime_cannot_do_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(CheckpointError, match=message):
        image_spec(processor(**changes), TOWER)


def test_rescaling_and_normalising_are_respected() -> None:
    assert pixels(processor()) == Pixels(factor=1 / 255, mean=(0.5, 0.4, 0.3), std=(0.2, 0.3, 0.4))
    assert pixels(processor(do_rescale=False, do_normalize=False)) == Pixels(
        factor=1.0, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0)
    )
