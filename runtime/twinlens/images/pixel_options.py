"""Preprocessing options that are not part of the bundle."""

from dataclasses import dataclass, replace
from typing import Final

from twinlens.bundle.pixel_mode import PixelMode
from twinlens.bundle.specs import ImageSpec, PassOrder
from twinlens.images.read_options import READ_DEFAULTS, ReadOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class PixelOptions:
    """Preprocessing options that are not part of the bundle.

    black = ReadOptions(background=(0, 0, 0))
    twinlens.load("clip-b32", pixels=PixelOptions(mode="fast", read=black))
    """

    mode: PixelMode = "exact"
    """"exact" follows the checkpoint's own preprocessing; "fast" decodes large JPEGs smaller."""
    read: ReadOptions = READ_DEFAULTS
    """Orientation, background, colour profiles and limits of files."""
    passes: PassOrder | None = None
    """Order of the two passes of a resize; the bundle's own by default. "width_first" gives tall
    pictures the pixels of Pillow before 13."""

    def __str__(self) -> str:
        changed = [
            f"{name} {getattr(self.read, name)}"
            for name in ("upright", "background", "profiles")
            if getattr(self.read, name) != getattr(READ_DEFAULTS, name)
        ]
        return ", ".join([self.mode, *changed])


EXACT: Final = PixelOptions()


def with_passes(spec: ImageSpec, options: PixelOptions) -> ImageSpec:
    """Return the preprocessing of a bundle in the order of passes that the options choose."""
    return spec if options.passes is None else replace(spec, passes=options.passes)
