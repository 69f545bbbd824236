"""Shapes of the published CLIP models."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """Widths and lengths of one model; a head is 64 wide, an MLP 4 times the width."""

    name: str
    width: int
    layers: int
    patch_px: int
    text_width: int
    side_px: int = 224
    text_layers: int = 12
    vocabulary: int = 49408
    context: int = 77
    embedding: int = 512

    @property
    def image_tokens(self) -> int:
        return 1 + (self.side_px // self.patch_px) ** 2

    @property
    def end_id(self) -> int:
        """Highest id, as in CLIP's vocabulary."""
        return self.vocabulary - 1


SHAPES: Final = {
    shape.name: shape
    for shape in (
        Shape(name="B32", width=768, layers=12, patch_px=32, text_width=512),
        Shape(name="B16", width=768, layers=12, patch_px=16, text_width=512),
        Shape(name="L14", width=1024, layers=24, patch_px=14, text_width=768, embedding=768),
    )
}
