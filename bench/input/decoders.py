"""Decoders from a file to the pixels that a tower takes: ours and the peers', by name."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

from bench.input.torchvision_stub import import_torchvision

import_torchvision()  # before all that import it

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from open_clip.transform import image_transform
from PIL import Image
from torchvision.transforms import v2
from transformers import CLIPImageProcessor, CLIPImageProcessorPil

from bench.harness.clip_pixels import MEAN, STD
from bench.harness.plain_pillow import plain_pixels
from twinlens.bundle.specs import ImageSpec
from twinlens.images.load import load

U8 = NDArray[np.uint8]
Decoder = Callable[[Path], U8 | torch.Tensor]
"""From a path to the tower's input, in whatever form that library gives."""

BASELINE: Final = "plain Pillow"
OWN: Final = "transformers (Pillow)"
"""Processor that the checkpoint is said to be trained with; the others are compared with it."""
OURS: Final = ("twinlens exact", "twinlens fast")


def decoders(side_px: int) -> dict[str, Decoder]:
    """Return every contender at S = side_px, with CLIP's bicubic shortest edge and centre crop."""
    return {
        BASELINE: lambda path: plain_pixels(path, side_px),
        **twinlens_modes(side_px),
        **transformers_processors(side_px),
        "open_clip": open_clip_transform(side_px),
        "torchvision v2": torchvision_v2(side_px),
        "OpenCV area": opencv(side_px, cv2.INTER_AREA, reduced=False),
        "OpenCV cubic": opencv(side_px, cv2.INTER_CUBIC, reduced=False),
        "OpenCV reduced, area": opencv(side_px, cv2.INTER_AREA, reduced=True),
    }


def twinlens_modes(side_px: int) -> dict[str, Decoder]:
    spec = ImageSpec(side_px=side_px)
    return {
        "twinlens exact": lambda path: load(path, spec, mode="exact"),
        "twinlens fast": lambda path: load(path, spec, mode="fast"),
    }


def transformers_processors(side_px: int) -> dict[str, Decoder]:
    sizes = {
        "size": {"shortest_edge": side_px},
        "crop_size": {"height": side_px, "width": side_px},
    }

    def using(processor: CLIPImageProcessor | CLIPImageProcessorPil) -> Decoder:
        def decode(path: Path) -> torch.Tensor:
            return processor(images=Image.open(path), return_tensors="pt")["pixel_values"][0]

        return decode

    return {
        OWN: using(CLIPImageProcessorPil(**sizes)),
        "transformers (torchvision)": using(CLIPImageProcessor(**sizes)),
    }


def open_clip_transform(side_px: int) -> Decoder:
    transform = image_transform(side_px, is_train=False)
    return lambda path: transform(Image.open(path))


def torchvision_v2(side_px: int) -> Decoder:
    """Decode with Pillow and resize uint8 with torch, as torchvision's own manual recommends."""
    transform = v2.Compose(
        [
            v2.PILToTensor(),
            v2.Resize(side_px, interpolation=v2.InterpolationMode.BICUBIC, antialias=True),
            v2.CenterCrop(side_px),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize(MEAN, STD),
        ]
    )
    return lambda path: transform(Image.open(path).convert("RGB"))


REDUCED: Final = (
    (8, cv2.IMREAD_REDUCED_COLOR_8),
    (4, cv2.IMREAD_REDUCED_COLOR_4),
    (2, cv2.IMREAD_REDUCED_COLOR_2),
)


def opencv(side_px: int, interpolation: int, *, reduced: bool) -> Decoder:
    def decode(path: Path) -> U8:
        flag = _reduction(path, side_px) if reduced else cv2.IMREAD_COLOR
        pixels = cv2.imread(str(path), flag)
        height, width = pixels.shape[:2]
        short = min(width, height)
        width, height = side_px * width // short, side_px * height // short
        small = cv2.resize(pixels, (width, height), interpolation=interpolation)
        left, top = (width - side_px) // 2, (height - side_px) // 2
        square = small[top : top + side_px, left : left + side_px]
        return cv2.cvtColor(square, cv2.COLOR_BGR2RGB)

    return decode


def _reduction(path: Path, side_px: int) -> int:
    """Return the flag of the largest reduction that leaves two pixels for one."""
    with Image.open(path) as image:
        short = min(image.size)
    return next(
        (flag for factor, flag in REDUCED if short // factor >= 2 * side_px), cv2.IMREAD_COLOR
    )


def levels(answer: U8 | torch.Tensor) -> U8:
    """Return a contender's answer as uint8 [S, S, 3], its normalization undone."""
    if isinstance(answer, np.ndarray):
        return answer
    pixels = answer.numpy().transpose(1, 2, 0) * np.float32(STD) + np.float32(MEAN)
    return np.clip(np.rint(255 * pixels), 0, 255).astype(np.uint8)
