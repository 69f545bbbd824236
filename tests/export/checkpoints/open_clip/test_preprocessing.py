"""The transforms of OpenCLIP as preprocessing."""

from typing import Any

import pytest

from twinlens.bundle.specs import ImageSpec
from twinlens_export.architecture import PixelNormalization
from twinlens_export.checkpoints.open_clip.preprocessing import read_preprocess_cfg
from twinlens_export.checkpoints.preprocessing import OPENAI_MEAN, OPENAI_STD
from twinlens_export.errors import CheckpointError

HALVES = PixelNormalization(factor=1 / 255, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))
OPENAI = PixelNormalization(factor=1 / 255, mean=OPENAI_MEAN, std=OPENAI_STD)


def test_a_silent_preprocess_cfg_means_what_open_clip_does() -> None:
    found = read_preprocess_cfg({}, side_px=224)
    assert (found.image, found.normalization) == (ImageSpec(side_px=224, crop="round"), OPENAI)


def test_a_siglip_of_open_clip_is_read() -> None:
    fields = {
        "mean": [0.5, 0.5, 0.5],
        "std": [0.5, 0.5, 0.5],
        "interpolation": "bicubic",
        "resize_mode": "squash",
    }
    found = read_preprocess_cfg(fields, side_px=384)
    assert found.image == ImageSpec(side_px=384, resize="squash", crop="round")
    assert found.normalization == HALVES


def test_a_letterbox_of_open_clip_is_read() -> None:
    fields = {
        "size": [256, 256],
        "mean": 0.5,
        "resize_mode": "longest",
        "interpolation": "bilinear",
        "fill_color": 127,
    }
    found = read_preprocess_cfg(fields, side_px=256)
    assert found.image == ImageSpec(
        side_px=256, resize="pad", interpolation="bilinear", crop="round", fill=(127, 127, 127)
    )
    assert found.normalization.mean == (0.5, 0.5, 0.5)
    assert read_preprocess_cfg({"fill_color": [1, 2, 3]}, side_px=8).image.fill == (1, 2, 3)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"resize_mode": "largest"}, "resize_mode 'largest'; supported are shortest, longest"),
        ({"interpolation": "nearest"}, "interpolation 'nearest'; supported are bicubic"),
        ({"mode": "L"}, "mode 'L'; RGB is supported"),
        ({"size": 256}, "resizes to 256, the tower sees 224"),
        ({"size": [224, 256]}, "not square"),
        ({"crop_pct": 0.9}, "has crop_pct = 0.9, which may change pixels"),
    ],
)
def test_what_open_clip_does_and_the_runtime_cannot_is_refused(
    fields: dict[str, Any], message: str
) -> None:
    with pytest.raises(CheckpointError, match=message):
        read_preprocess_cfg(fields, side_px=224)
