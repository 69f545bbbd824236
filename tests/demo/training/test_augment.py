"""The augmentation: shapes, reproducibility under one seed, and restricted mirroring."""

import pytest
import torch
from torch import Tensor

from twinlens_demo.training import augment as augmentation
from twinlens_demo.training.augment import MEAN, STD, augment, on_white

SIDE = 32


def halves(count: int) -> Tensor:
    """Opaque drawings, red on the left half and blue on the right half."""
    pixels = torch.zeros(count, 4, 48, 48, dtype=torch.uint8)
    pixels[:, 0, :, :24] = 255
    pixels[:, 2, :, 24:] = 255
    pixels[:, 3] = 255
    return pixels


def seeded(number: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(number)


def mirrored(pixels: Tensor, flips: Tensor) -> Tensor:
    """Return True for the transformed drawings that are red on the right."""
    moved = augmentation._transformed(pixels.float() / 255, flips, SIDE, seeded())
    red = moved[:, 0] - moved[:, 2]
    return red[:, :, SIDE // 2 :].mean(dim=(1, 2)) > red[:, :, : SIDE // 2].mean(dim=(1, 2))


@pytest.mark.parametrize("side", [32, 48, 64])
def test_drawings_become_normalised_pictures_of_the_side(side: int) -> None:
    pixels = halves(5)
    flips = torch.ones(5, dtype=torch.bool)
    for pictures in (augment(pixels, flips, side, seeded()), on_white(pixels, side)):
        assert pictures.shape == (5, 3, side, side)
        assert pictures.dtype == torch.float32
        assert pictures.isfinite().all()


def test_one_seed_gives_one_picture() -> None:
    flips = torch.ones(8, dtype=torch.bool)
    first, again, other = (augment(halves(8), flips, SIDE, seeded(n)) for n in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_the_drawings_themselves_are_not_changed() -> None:
    pixels = halves(4)
    augment(pixels, torch.ones(4, dtype=torch.bool), SIDE, seeded())
    on_white(pixels, SIDE)
    assert torch.equal(pixels, halves(4))


def test_a_drawing_is_mirrored_only_where_it_may_be() -> None:
    flips = torch.arange(400) % 2 == 0
    turned = mirrored(halves(400), flips)
    assert not turned[~flips].any()
    assert 0.35 < turned[flips].float().mean() < 0.65


def test_what_is_transparent_lies_on_white() -> None:
    clear = torch.zeros(1, 4, 40, 40, dtype=torch.uint8)
    white = ((1 - MEAN) / STD).expand(1, 3, SIDE, SIDE)
    torch.testing.assert_close(on_white(clear, SIDE), white)


def test_at_its_own_side_a_drawing_keeps_its_pixels() -> None:
    pixels = halves(1)
    shown = on_white(pixels, 48) * STD + MEAN
    torch.testing.assert_close(shown, pixels[:, :3] / 255)
