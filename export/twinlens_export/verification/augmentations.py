"""Augmentations: further views of an image, further wordings of a caption, to compare towers on."""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]

WORDINGS: Final = (
    "{}",
    "a photo of a {}.",
    "{} beside {}",
    "a picture that shows {}, and behind it {} and {}, seen from the left",
)
"""Templates for one caption, or for it and the next ones: from two tokens to about twenty."""


def views(images: Pixels) -> Pixels:
    """Return images [B, S, S, 3] unchanged, then three further views of each: [4 * B, S, S, 3]."""
    return np.concatenate([images, mirrored(images), dimmed(images), zoomed(images)])


def mirrored(images: Pixels) -> Pixels:
    """Flip images from left to right."""
    return np.ascontiguousarray(images[:, :, ::-1])


def dimmed(images: Pixels) -> Pixels:
    """Halve the brightness."""
    return images // 2


def zoomed(images: Pixels) -> Pixels:
    """Enlarge the middle of each image by a third."""
    side = images.shape[1]
    kept = np.arange(side) * 3 // 4 + side // 8
    return np.ascontiguousarray(images[:, kept][:, :, kept])


def wordings(captions: Sequence[str]) -> list[str]:
    """Return captions unchanged, then the other wordings of each."""
    rotated = [[*captions[start:], *captions[:start]] for start in range(len(captions))]
    return [template.format(*following) for template in WORDINGS for following in rotated]
