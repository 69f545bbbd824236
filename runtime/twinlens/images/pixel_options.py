"""Preprocessing options that are not part of the bundle."""

from dataclasses import dataclass
from typing import Final

from twinlens.bundle.pixel_mode import PixelMode
from twinlens.images.read_options import READING, ReadOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class PixelOptions:
    """Preprocessing options that are not part of the bundle.

    black = ReadOptions(background=(0, 0, 0))
    twinlens.load("clip-b32", pixels=PixelOptions(mode="fast", reading=black))
    """

    mode: PixelMode = "exact"
    reading: ReadOptions = READING

    def __str__(self) -> str:
        changed = [
            f"{name} {getattr(self.reading, name)}"
            for name in ("upright", "background", "profiles")
            if getattr(self.reading, name) != getattr(READING, name)
        ]
        return ", ".join([self.mode, *changed])


EXACT: Final = PixelOptions()
