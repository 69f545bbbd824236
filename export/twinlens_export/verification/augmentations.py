"""Other views of a picture, other wordings of a caption: more to compare towers on."""

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
"""Of one caption, or of it and those that follow: from two tokens to about twenty."""


def views(images: Pixels) -> Pixels:
    """Pictures [B, S, S, 3] as they are, then three further views of each: [4 * B, S, S, 3]."""
    return np.concatenate([images, mirrored(images), dimmed(images), near(images)])


def mirrored(images: Pixels) -> Pixels:
    """From the other side."""
    return np.ascontiguousarray(images[:, :, ::-1])


def dimmed(images: Pixels) -> Pixels:
    """In half the light."""
    return images // 2


def near(images: Pixels) -> Pixels:
    """The middle of each, a third larger."""
    side = images.shape[1]
    seen = np.arange(side) * 3 // 4 + side // 8
    return np.ascontiguousarray(images[:, seen][:, :, seen])


def wordings(captions: Sequence[str]) -> list[str]:
    """Captions as they are, then the other wordings of each."""
    following = [[*captions[place:], *captions[:place]] for place in range(len(captions))]
    return [form.format(*told) for form in WORDINGS for told in following]
