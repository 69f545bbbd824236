"""The image processors of transformers as preprocessing."""

from typing import Any

import pytest

from twinlens.bundle.specs import ImageSpec
from twinlens_export.architecture import PixelNormalization
from twinlens_export.checkpoints.image_processor import read_processor
from twinlens_export.checkpoints.preprocessing import OPENAI_MEAN, OPENAI_STD
from twinlens_export.errors import CheckpointError

HALVES = PixelNormalization(factor=1 / 255, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))
OPENAI = PixelNormalization(factor=1 / 255, mean=OPENAI_MEAN, std=OPENAI_STD)

CLIP_OF_2021 = {
    "crop_size": 224,
    "do_center_crop": True,
    "do_normalize": True,
    "do_resize": True,
    "feature_extractor_type": "CLIPFeatureExtractor",
    "image_mean": [0.48145466, 0.4578275, 0.40821073],
    "image_std": [0.26862954, 0.26130258, 0.27577711],
    "resample": 3,
    "size": 224,
}
SIGLIP = {
    "do_normalize": True,
    "do_rescale": True,
    "do_resize": True,
    "image_mean": [0.5, 0.5, 0.5],
    "image_processor_type": "SiglipImageProcessor",
    "image_std": [0.5, 0.5, 0.5],
    "processor_class": "SiglipProcessor",
    "resample": 3,
    "rescale_factor": 0.00392156862745098,
    "size": {"height": 384, "width": 384},
}
SIGLIP_2_FIXED = SIGLIP | {
    "do_convert_rgb": None,
    "resample": 2,
    "image_processor_type": "SiglipImageProcessorFast",
}
CHINESE_CLIP = {
    "crop_size": {"height": 224, "width": 224},
    "do_center_crop": False,
    "do_normalize": True,
    "do_resize": True,
    "image_mean": [0.48145466, 0.4578275, 0.40821073],
    "image_processor_type": "ChineseCLIPImageProcessor",
    "image_std": [0.26862954, 0.26130258, 0.27577711],
    "resample": 3,
    "size": {"height": 224, "width": 224},
}


@pytest.mark.parametrize(
    ("fields", "image", "normalization"),
    [
        (CLIP_OF_2021, ImageSpec(side_px=224), OPENAI),
        (SIGLIP, ImageSpec(side_px=384, resize="squash"), HALVES),
        (
            SIGLIP_2_FIXED,
            ImageSpec(side_px=384, resize="squash", interpolation="bilinear"),
            HALVES,
        ),
        (CHINESE_CLIP, ImageSpec(side_px=224, resize="squash"), OPENAI),
    ],
)
def test_the_files_of_every_family_are_read(
    fields: dict[str, Any], image: ImageSpec, normalization: PixelNormalization
) -> None:
    found = read_processor(fields, side_px=image.side_px)
    assert (found.image, found.normalization) == (image, normalization)


@pytest.mark.parametrize(
    ("name", "resize"),
    [("CLIP", "shortest_edge"), ("ChineseCLIP", "shortest_edge"), ("Siglip", "squash")],
)
def test_a_silent_file_means_what_the_class_does(name: str, resize: str) -> None:
    found = read_processor({"image_processor_type": f"{name}ImageProcessor"}, side_px=224)
    assert found.image == ImageSpec(side_px=224, resize=resize)  # type: ignore[arg-type]
    assert found.normalization == (HALVES if name == "Siglip" else OPENAI)


def processor(**changes: object) -> dict[str, Any]:
    usual = {
        "image_processor_type": "CLIPImageProcessor",
        "size": {"shortest_edge": 64},
        "crop_size": {"height": 64, "width": 64},
        "image_mean": [0.5, 0.4, 0.3],
        "image_std": [0.2, 0.3, 0.4],
    }
    return usual | changes


@pytest.mark.parametrize(("number", "name"), [(1, "lanczos"), (2, "bilinear"), (3, "bicubic")])
def test_filters_are_known_by_pillows_numbers(number: int, name: str) -> None:
    assert read_processor(processor(resample=number), side_px=64).image.interpolation == name


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"size": {"shortest_edge": 72}}, "resizes to 72 and crops to 64, the tower sees 64"),
        ({"crop_size": {"height": 48, "width": 48}}, "crops to 48"),
        ({"size": {"height": 64, "width": 48}}, "not square"),
        ({"do_center_crop": False}, "set do_center_crop to true"),
        ({"do_resize": False}, "set do_resize to true"),
        ({"resample": 0}, r"filter 0, .* 1 \(lanczos\)"),
        ({"image_mean": [0.5, 0.5]}, r"\[0.5, 0.5\] are not three numbers"),
        ({"do_pad": True}, "has do_pad = True, which may change pixels"),
        ({"crop_pct": 0.9}, "has crop_pct = 0.9, which may change pixels"),
        ({"image_processor_type": "ViTImageProcessor"}, "does not crop"),
        ({"image_processor_type": "ConvNextImageProcessor"}, "is ConvNextImageProcessor, .*Siglip"),
        ({"image_processor_type": "Siglip2ImageProcessor"}, "is Siglip2ImageProcessor, "),
        ({"image_processor_type": None}, "is not named"),
    ],
)
def test_what_the_runtime_cannot_do_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(CheckpointError, match=message):
        read_processor(processor(**changes), side_px=64)


def test_what_is_off_or_changes_no_pixel_is_let_pass() -> None:
    idle = processor(do_pad=False, pad_size=None, do_convert_rgb=True, device="cpu")
    assert read_processor(idle, side_px=64) == read_processor(processor(), side_px=64)


def test_rescaling_and_normalising_are_respected() -> None:
    assert read_processor(processor(), side_px=64).normalization == PixelNormalization(
        factor=1 / 255, mean=(0.5, 0.4, 0.3), std=(0.2, 0.3, 0.4)
    )
    bare = processor(do_rescale=False, do_normalize=False)
    assert read_processor(bare, side_px=64).normalization == PixelNormalization(
        factor=1.0, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0)
    )
