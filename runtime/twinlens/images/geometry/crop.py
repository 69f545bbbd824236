"""The framing: which part of a picture the tower sees, and where it lies in its square."""

from dataclasses import dataclass

from twinlens.bundle.specs import ImageSpec
from twinlens.images.formats.exif_orientation import Orientation


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """One stored axis: from `start` to `stop` it becomes `length` pixels of the square."""

    start: float
    stop: float
    length: int
    place: int = 0
    """Where those pixels begin in the square; the rest is padding."""

    @property
    def scale(self) -> float:
        """Stored pixels to one of the square's."""
        return (self.stop - self.start) / self.length

    def shrunk(self, times: float) -> "Span":
        """The same part of a picture that was decoded smaller."""
        return Span(
            start=self.start / times, stop=self.stop / times, length=self.length, place=self.place
        )

    def needed(self, reach: float, size: int) -> tuple[int, int]:
        """The first pixel that decides the outcome, and one past the last.

        Args:
            reach: how far the filter looks to each side, in pixels of the square.
            size: stored pixels there are.
        """
        margin = reach * max(1.0, self.scale) + 1
        return max(0, int(self.start - margin)), min(size, int(self.stop + margin) + 1)

    def moved(self, pixels: int) -> "Span":
        """The same part of a picture whose first pixels were cut off."""
        return Span(
            start=self.start - pixels,
            stop=self.stop - pixels,
            length=self.length,
            place=self.place,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Framing:
    """The part of a stored picture that is seen."""

    across: Span
    """Of the stored width."""
    down: Span
    """Of the stored height."""

    @property
    def scale(self) -> float:
        """Stored pixels to one of the square's, on the axis that has fewer to give."""
        return min(self.across.scale, self.down.scale)

    def shrunk(self, times: float) -> "Framing":
        """The same part of a picture that was decoded smaller."""
        return Framing(across=self.across.shrunk(times), down=self.down.shrunk(times))


def frame(stored: tuple[int, int], spec: ImageSpec, orientation: Orientation) -> Framing:
    """What the spec shows of a picture of that width and height.

    Always of the original size: what a smaller decoding rounds may not move the crop.
    """
    width, height = stored
    return Framing(
        across=_span(width, stored, spec, mirrored=orientation.mirrored_x),
        down=_span(height, stored, spec, mirrored=orientation.mirrored_y),
    )


def _span(length: int, stored: tuple[int, int], spec: ImageSpec, *, mirrored: bool) -> Span:
    side = spec.side_px
    if spec.resize == "squash":
        return Span(start=0, stop=length, length=side)
    if spec.resize == "pad":
        # In the floats of open_clip's ResizeKeepRatio; it fails where this would be 0.
        resized = max(1, round(length / (max(stored) / side)))
        before = (side - resized) // 2
        place = side - resized - before if mirrored else before
        return Span(start=0, stop=length, length=resized, place=place)
    # Integer truncation, as transformers and torchvision do: 341 for 1024 x 768 at 256.
    resized = side * length // min(stored)
    spare = resized - side
    offset = spare // 2 if spec.crop == "floor" else round(spare / 2)
    if mirrored:
        offset = spare - offset
    scale = length / resized
    return Span(start=offset * scale, stop=(offset + side) * scale, length=side)
