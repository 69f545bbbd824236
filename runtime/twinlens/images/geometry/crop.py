"""Crop boxes: the part of a stored image that the spec selects, and its place in the output."""

from dataclasses import dataclass

from twinlens.bundle.specs import ImageSpec
from twinlens.images.geometry.exif_orientation import Orientation


@dataclass(frozen=True, slots=True, kw_only=True)
class AxisCrop:
    """Crop along one stored axis: `start` to `stop` becomes `length` pixels of the output."""

    start: float
    stop: float
    length: int
    offset: int = 0
    """First output pixel of the crop; the rest of the output is padding."""

    @property
    def scale(self) -> float:
        """Stored pixels per output pixel."""
        return (self.stop - self.start) / self.length

    def reduced(self, reduction: float) -> "AxisCrop":
        """Return the same crop of an image that was decoded `reduction` times smaller."""
        return AxisCrop(
            start=self.start / reduction,
            stop=self.stop / reduction,
            length=self.length,
            offset=self.offset,
        )

    def source_range(self, support: float, size: int) -> tuple[int, int]:
        """Return the first stored pixel that any output pixel depends on, and one past the last.

        Args:
            support: radius of the resampling filter, in output pixels.
            size: stored pixels along the axis.
        """
        margin = support * max(1.0, self.scale) + 1
        return max(0, int(self.start - margin)), min(size, int(self.stop + margin) + 1)

    def shifted(self, pixels: int) -> "AxisCrop":
        """Return the same crop of an image whose first pixels were cut off."""
        return AxisCrop(
            start=self.start - pixels,
            stop=self.stop - pixels,
            length=self.length,
            offset=self.offset,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class CropBox:
    """Crop along both stored axes."""

    horizontal: AxisCrop
    """Along the stored width."""
    vertical: AxisCrop
    """Along the stored height."""

    @property
    def scale(self) -> float:
        """Stored pixels per output pixel, on the axis with fewer."""
        return min(self.horizontal.scale, self.vertical.scale)

    def reduced(self, reduction: float) -> "CropBox":
        """Return the same crop of an image that was decoded `reduction` times smaller."""
        return CropBox(
            horizontal=self.horizontal.reduced(reduction), vertical=self.vertical.reduced(reduction)
        )


def crop_box(stored: tuple[int, int], spec: ImageSpec, orientation: Orientation) -> CropBox:
    """Return the crop of the spec for an image of stored (width, height).

    It is computed from the original size: the rounding of a smaller decoding must not move it.
    """
    width, height = stored
    return CropBox(
        horizontal=_axis_crop(width, stored, spec, mirrored=orientation.mirrored_x),
        vertical=_axis_crop(height, stored, spec, mirrored=orientation.mirrored_y),
    )


def _axis_crop(
    length: int, stored: tuple[int, int], spec: ImageSpec, *, mirrored: bool
) -> AxisCrop:
    out_px = spec.side_px
    if spec.resize == "squash":
        return AxisCrop(start=0, stop=length, length=out_px)
    if spec.resize == "pad":
        # In the floats of open_clip's ResizeKeepRatio; it fails where this would be 0.
        resized = max(1, round(length / (max(stored) / out_px)))
        before = (out_px - resized) // 2
        offset = out_px - resized - before if mirrored else before
        return AxisCrop(start=0, stop=length, length=resized, offset=offset)
    # Integer truncation, as transformers and torchvision do: 341 for 1024 x 768 at 256.
    resized = out_px * length // min(stored)
    spare = resized - out_px
    first = spare // 2 if spec.crop == "floor" else round(spare / 2)
    if mirrored:
        first = spare - first
    scale = length / resized
    return AxisCrop(start=first * scale, stop=(first + out_px) * scale, length=out_px)
