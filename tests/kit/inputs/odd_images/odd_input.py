"""An unusual image input, with the expected result of loading it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from PIL import Image

from twinlens.images.read_options import READ_DEFAULTS, ReadOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """The pixels of this image, within so many levels of 255."""

    image: Callable[[], Image.Image]
    levels: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """An ImageError whose message matches this pattern."""

    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OddInput:
    """One line of the tables in IMAGES.md."""

    given: str
    """The input, in words."""
    result: str
    """The result, in words."""
    make: Callable[[Path], Any]
    """Function from an empty folder, for its files, to the input."""
    outcome: Loaded | Refused
    read: ReadOptions = READ_DEFAULTS


def loaded(image: Callable[[], Image.Image], levels: int = 0) -> Loaded:
    return Loaded(image=image, levels=levels)


UNKNOWN_FORMAT: Final = Refused(message="is no image that can be decoded; known are JPEG, PNG, ")
TRUNCATED: Final = Refused(message="cannot be decoded: ")
