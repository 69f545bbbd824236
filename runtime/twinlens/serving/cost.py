"""Cost of the work in seconds: estimated before, learned from the runs that were measured."""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from PIL import Image

from twinlens.images.limits import LIMITS
from twinlens.serving.header_pixels import header_of, header_of_base64
from twinlens.serving.work import Base64Image, ImageHeader, Item, Run

LEARNING: Final = 0.1
"""Part of a new measurement in the estimate."""
LARGEST_SURPRISE: Final = 4.0
"""Measured over estimated seconds, at most: a run beside a busy neighbour may take a second."""
PIXELS_A_BYTE: Final = 8
"""Pixels of an encoded image whose header is not known: a JPEG of a camera has 3 to 8."""
HEAD_CHARACTERS: Final = 4096
"""Characters by which the tokens of a text are estimated; few texts of so many are not cut."""


class LinearCost:
    """Seconds of a call as a linear function of its size, on a scale that is learned.

    The ratio of fixed cost to cost a unit belongs to a tower and stays; the scale follows the load
    of the machine.
    """

    def __init__(self, *, fixed_s: float, unit_s: float) -> None:
        self._fixed_s, self._unit_s, self._scale = fixed_s, unit_s, 1.0

    @property
    def fixed_s(self) -> float:
        """Seconds of a call with nothing to do."""
        return self._fixed_s * self._scale

    @property
    def unit_s(self) -> float:
        """Seconds of one unit more."""
        return self._unit_s * self._scale

    def seconds(self, units: float, *, calls: int = 1) -> float:
        """Return the seconds of calls with so many units in all."""
        return calls * self.fixed_s + units * self.unit_s

    def learn(self, seconds: float, units: float, *, calls: int = 1) -> None:
        """Learn from calls that took so long."""
        surprise = seconds / max(self.seconds(units, calls=calls), 1e-9)
        bounded = min(max(surprise, 1 / LARGEST_SURPRISE), LARGEST_SURPRISE)
        self._scale *= 1 + LEARNING * (bounded - 1)


@dataclass(frozen=True, slots=True)
class Timed:
    """Seconds of two calls of a tower, of one unit and of several."""

    one_s: float
    several_s: float
    several: float
    """Units of the second, in those of the first."""

    def cost(self, units: float) -> LinearCost:
        """Return the line through both, if the first call had so many units.

        A unit costs a tenth of the first call at least, and not more than it: a call that was held
        up makes no line.
        """
        rising = (self.several_s - self.one_s) / (self.several - 1)
        unit_s = min(max(rising, self.one_s / 10), self.one_s)
        return LinearCost(fixed_s=self.one_s - unit_s, unit_s=unit_s / units)


class Costs:
    """Costs of texts, images and their decoding.

    The figures at the start are those of a ViT-B/32 in int8 on one core with AVX-512 VNNI.
    """

    def __init__(self) -> None:
        self.text = LinearCost(fixed_s=1.3e-3, unit_s=0.21e-3)
        """By padded tokens."""
        self.image = LinearCost(fixed_s=3e-3, unit_s=23e-3)
        """By images."""
        self._decoding = {
            "JPEG": LinearCost(fixed_s=0.5e-3, unit_s=5e-9),
            "PNG": LinearCost(fixed_s=0.5e-3, unit_s=20e-9),
            "other": LinearCost(fixed_s=0.5e-3, unit_s=20e-9),
        }
        """By pixels, for each format."""
        self._reading = LinearCost(fixed_s=5e-3, unit_s=0.0)
        """Of an image whose size is not known before it is read, such as a path."""
        self._tokens_a_byte = 0.25
        self.context = math.inf
        """Tokens of the longest text that was seen truncated; infinite before."""

    def tokens_of(self, text: str) -> int:
        """Return the estimated tokens of a text."""
        head = text[:HEAD_CHARACTERS]
        n_bytes = len(head) if head.isascii() else len(head.encode("utf-8", "surrogatepass"))
        return round(min(2 + self._tokens_a_byte * n_bytes, self.context))

    def text_s(self, tokens: int) -> float:
        """Return the estimated seconds of one text more in a run."""
        return tokens * self.text.unit_s

    def image_s(self, header: ImageHeader | None) -> float:
        """Return the estimated seconds of one image more in a run, its decoding included."""
        # A header may claim any number; the decoder refuses more than its limit unread.
        pixels = 0 if header is None else min(header.pixels, LIMITS.max_pixels)
        return self._decoder(header).seconds(pixels) + self.image.unit_s

    def learn(self, run: Run) -> None:
        """Learn from a run that has ended."""
        good = [item for item in run.items if item.is_embedded]
        if not good or not run.towers:
            return
        if run.queue.kind == "text":
            self.text.learn(run.tower_s, run.padded, calls=run.towers)
            self._learn_tokens(good)
            return
        self.image.learn(run.tower_s, len(good), calls=run.towers)
        for item in good:
            self._decoder(item.header).learn(item.decode_s, item.pixels)

    def _learn_tokens(self, texts: list[Item]) -> None:
        for item in texts:
            if item.truncated:
                self.context = item.tokens
        whole = [item for item in texts if not item.truncated and item.n_bytes]
        if whole:
            tokens, n_bytes = (sum(i.tokens - 2 for i in whole), sum(i.n_bytes for i in whole))
            seen = min(max(tokens / n_bytes, 0.05), 2.0)
            self._tokens_a_byte += LEARNING * (seen - self._tokens_a_byte)

    def _decoder(self, header: ImageHeader | None) -> LinearCost:
        if header is None:
            return self._reading
        return self._decoding.get(header.format, self._decoding["other"])


def header_of_image(image: object) -> ImageHeader | None:
    """Return format and pixels of anything image-like; a path is not opened.

    Of an unknown format the pixels are estimated by the bytes.
    """
    if isinstance(image, Base64Image):
        return header_of_base64(image.text) or _guessed(len(image.text) * 3 // 4)
    if isinstance(image, (bytes, bytearray, memoryview)):
        return header_of(image) or _guessed(len(image))
    if isinstance(image, Image.Image):
        return ImageHeader(image.format or "pixels", image.width * image.height)
    if isinstance(image, np.ndarray):
        return ImageHeader("pixels", int(np.prod(image.shape[:2])))
    return None


def bytes_of_image(image: object) -> int:
    """Return the bytes that an image holds while it waits."""
    if isinstance(image, Base64Image):
        return len(image.text)
    if isinstance(image, (bytes, bytearray)):
        return len(image)
    if isinstance(image, (memoryview, np.ndarray)):
        return image.nbytes
    if isinstance(image, Image.Image):
        return image.width * image.height * len(image.getbands())
    return 0


def _guessed(n_bytes: int) -> ImageHeader:
    return ImageHeader("other", n_bytes * PIXELS_A_BYTE)
