"""From a file to the pixels that a tower takes: ours and everybody else's, by name."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from open_clip.transform import image_transform
from PIL import Image
from torchvision.transforms import v2
from transformers import CLIPImageProcessor, CLIPImageProcessorPil

import bench.input.torchvision_stub  # noqa: F401  before all that import torchvision
from bench.input.plain_script import MEAN, STD, plain_pillow
from twinlens.bundle import ImageSpec
from twinlens.images import load

U8 = NDArray[np.uint8]
Decoder = Callable[[Path], U8 | torch.Tensor]
"""From a path to what the tower is fed, in whatever form that library gives."""

BASELINE: Final = "plain Pillow"
OWN: Final = "transformers (Pillow)"
"""What the checkpoint is said to be trained with, and so what the others are compared with."""
OURS: Final = ("twinlens exact", "twinlens fast")


def decoders(side: int) -> dict[str, Decoder]:
    """Every contender at S = side, with CLIP's bicubic shortest edge and centre crop."""
    return {
        BASELINE: plain_pillow(side),
        **twinlens_modes(side),
        **transformers_processors(side),
        "open_clip": open_clip_transform(side),
        "torchvision v2": torchvision_v2(side),
        "OpenCV area": opencv(side, cv2.INTER_AREA, reduced=False),
        "OpenCV cubic": opencv(side, cv2.INTER_CUBIC, reduced=False),
        "OpenCV reduced, area": opencv(side, cv2.INTER_AREA, reduced=True),
    }


def twinlens_modes(side: int) -> dict[str, Decoder]:
    spec = ImageSpec(side_px=side)
    return {
        "twinlens exact": lambda path: load(path, spec, mode="exact"),
        "twinlens fast": lambda path: load(path, spec, mode="fast"),
    }


def transformers_processors(side: int) -> dict[str, Decoder]:
    sizes = {
        "size": {"shortest_edge": side},
        "crop_size": {"height": side, "width": side},
    }

    def using(processor: CLIPImageProcessor | CLIPImageProcessorPil) -> Decoder:
        def decode(path: Path) -> torch.Tensor:
            return processor(images=Image.open(path), return_tensors="pt")["pixel_values"][0]

        return decode

    return {
        OWN: using(CLIPImageProcessorPil(**sizes)),
        "transformers (torchvision)": using(CLIPImageProcessor(**sizes)),
    }


def open_clip_transform(side: int) -> Decoder:
    transform = image_transform(side, is_train=False)
    return lambda path: transform(Image.open(path))


def torchvision_v2(side: int) -> Decoder:
    """Pillow decodes, torch resizes uint8: what torchvision's own manual recommends."""
    transform = v2.Compose(
        [
            v2.PILToTensor(),
            v2.Resize(side, interpolation=v2.InterpolationMode.BICUBIC, antialias=True),
            v2.CenterCrop(side),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize(MEAN.tolist(), STD.tolist()),
        ]
    )
    return lambda path: transform(Image.open(path).convert("RGB"))


REDUCED: Final = (
    (8, cv2.IMREAD_REDUCED_COLOR_8),
    (4, cv2.IMREAD_REDUCED_COLOR_4),
    (2, cv2.IMREAD_REDUCED_COLOR_2),
)


def opencv(side: int, interpolation: int, *, reduced: bool) -> Decoder:
    def decode(path: Path) -> U8:
        flag = _reduction(path, side) if reduced else cv2.IMREAD_COLOR
        pixels = cv2.imread(str(path), flag)
        height, width = pixels.shape[:2]
        short = min(width, height)
        width, height = side * width // short, side * height // short
        small = cv2.resize(pixels, (width, height), interpolation=interpolation)
        left, top = (width - side) // 2, (height - side) // 2
        square = small[top : top + side, left : left + side]
        return cv2.cvtColor(square, cv2.COLOR_BGR2RGB)

    return decode


def _reduction(path: Path, side: int) -> int:
    """The largest that leaves two pixels for one."""
    with Image.open(path) as image:
        short = min(image.size)
    return next((flag for factor, flag in REDUCED if short // factor >= 2 * side), cv2.IMREAD_COLOR)


def levels(answer: U8 | torch.Tensor) -> U8:
    """What a contender gave as uint8 [S, S, 3], its normalisation undone."""
    if isinstance(answer, np.ndarray):
        return answer
    pixels = answer.numpy().transpose(1, 2, 0) * STD + MEAN
    return np.clip(np.rint(255 * pixels), 0, 255).astype(np.uint8)
