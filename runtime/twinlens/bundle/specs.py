"""Specifications of a bundle's inputs: pixels and token ids as its towers take them."""

from dataclasses import dataclass
from typing import Final, Literal, get_args

Precision = Literal["fp32", "fp16", "int8"]
Modality = Literal["image", "text"]
TargetDevice = Literal["any", "cpu", "cuda"]
Clean = Literal["none", "lower", "openai", "openai_cased", "canonical", "siglip"]


PRECISIONS: Final[tuple[Precision, ...]] = get_args(Precision)


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageSpec:
    """How a picture becomes the image tower's uint8 [B, S, S, 3].

    Scaling to floats and normalising are inside the graph, and nowhere else.
    """

    side_px: int
    resize: Literal["shortest_edge", "squash", "pad"] = "shortest_edge"
    """shortest_edge: the shorter edge becomes side_px, then the centre is cropped; squash: both
    edges do; pad: the longer edge does, and the rest of the square shows `fill`."""
    interpolation: Literal["bicubic", "bilinear", "lanczos"] = "bicubic"
    crop: Literal["floor", "round"] = "floor"
    """How the crop's offset is rounded: floor as transformers does, round as OpenAI's code does."""
    fill: tuple[int, int, int] = (0, 0, 0)
    """Red, green and blue of the padding, 0..255."""

    def __post_init__(self) -> None:
        if self.side_px < 1:
            raise ValueError(f"side_px is {self.side_px}, not a positive number of pixels")
        if len(self.fill) != 3 or not all(0 <= part <= 255 for part in self.fill):
            raise ValueError(f"fill is {self.fill}, not three numbers of 0..255")


@dataclass(frozen=True, slots=True, kw_only=True)
class TextSpec:
    """How a string becomes the text tower's int64 [B, T]."""

    context: int
    """The most tokens, marks included."""
    pad_id: int
    """What fills a row behind its text."""
    trim: bool
    """True if the tower is causal or does not see padding, so that a batch may stop at its longest
    text; False if it wants the full context of every text."""
    end_id: int | None = None
    """The end token, which survives truncation; None if the checkpoint ends no text by one."""
    clean: Clean = "none"
    """What the checkpoint was trained to see of a text: all of it, or all of it in lower case; what
    OpenAI's code leaves (ftfy, HTML entities, white space, lower case), the same with its upper
    case, or the same without punctuation; or what SigLIP's does (lower case, no punctuation, white
    space). What tokenizer.json itself does comes after."""
    tokenizer: str = "tokenizer.json"

    def __post_init__(self) -> None:
        if self.context < 2:
            raise ValueError(f"context is {self.context}; a start and an end token need 2")
