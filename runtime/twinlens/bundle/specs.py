"""Specifications of a bundle's inputs: pixels and token ids of its towers."""

from dataclasses import dataclass
from typing import Final, Literal, get_args

from twinlens.errors import quoted

Precision = Literal["fp32", "fp16", "bf16", "int8"]
Modality = Literal["image", "text"]
TargetDevice = Literal["any", "cpu", "cuda"]
PassOrder = Literal["pillow_13", "width_first"]
"""Order of the two passes of a resize, both of which round to bytes.

* "pillow_13": as Pillow from version 13 on, and so the checkpoints' processors today: the height of
  a picture that is much taller than its result is resized before its width.
* "width_first": as Pillow before 13 with every picture, with which most checkpoints were trained.

They differ by up to 25 levels on tall pictures; `twinlens/images/IMAGES.md` has the rule.
"""
Clean = Literal["none", "lower", "openai", "openai_cased", "canonical", "siglip"]
"""Cleaning of a text before tokenizer.json, as in the training of the checkpoint.

| value        | steps, in this order                        | reference function              |
|--------------|---------------------------------------------|---------------------------------|
| none         | none                                        |                                 |
| lower        | lower case                                  |                                 |
| openai_cased | ftfy, HTML entities, white space            | open_clip `_clean_whitespace`   |
| openai       | openai_cased, lower case                    | open_clip `_clean_lower`        |
| canonical    | openai_cased, `_` to space, no punctuation, | open_clip `_clean_canonicalize` |
|              | lower case, white space                     |                                 |
| siglip       | lower case, no punctuation, white space     | big_vision `canonicalize_text`  |

"white space" collapses it to single spaces and strips the ends; punctuation is that of ASCII.
"""

PRECISIONS: Final[tuple[Precision, ...]] = get_args(Precision)
MODALITIES: Final[tuple[Modality, ...]] = get_args(Modality)


LARGEST_SIDE_PX: Final = 2**13
"""Largest side of an image tower's input; a batch of one has 200 MB there. Real ones end
at 1024."""
LARGEST_CONTEXT: Final = 2**16
"""Largest context of a text tower; real ones end at 8192."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageSpec:
    """Preprocessing of an image to the image tower's uint8 [B, S, S, 3].

    Scaling to floats and normalising are inside the graph, and nowhere else.
    """

    side_px: int
    resize: Literal["shortest_edge", "squash", "pad"] = "shortest_edge"
    """shortest_edge: the shorter edge becomes side_px, then the centre is cropped; squash: both
    edges become side_px; pad: the longer edge does, and the rest of the square is `fill`."""
    interpolation: Literal["bicubic", "bilinear", "lanczos"] = "bicubic"
    crop: Literal["floor", "round"] = "floor"
    """Rounding of the crop's offset: floor as in transformers, round as in OpenAI's code."""
    fill: tuple[int, int, int] = (0, 0, 0)
    """Red, green and blue of the padding, 0..255."""
    passes: PassOrder = "pillow_13"

    def __post_init__(self) -> None:
        if self.side_px < 1:
            raise ValueError(f"side_px is {quoted(self.side_px)}, not a positive number of pixels")
        if self.side_px > LARGEST_SIDE_PX:
            raise ValueError(f"side_px is {quoted(self.side_px)}, wanted at most {LARGEST_SIDE_PX}")
        if len(self.fill) != 3 or not all(0 <= part <= 255 for part in self.fill):
            raise ValueError(f"fill is {quoted(self.fill)}, not three numbers of 0..255")


@dataclass(frozen=True, slots=True, kw_only=True)
class TextSpec:
    """Preprocessing of a string to the text tower's int64 [B, T]."""

    context: int
    """Most tokens of a text, start and end token included."""
    pad_id: int
    """Padding token, behind the text."""
    trim: bool
    """True if the attention mask is causal or hides padding, so that a batch may be as short as its
    longest text; False if every text needs the full context."""
    end_id: int | None = None
    """End token, which survives truncation; None if the checkpoint ends texts without one."""
    clean: Clean = "none"
    """Cleaning before tokenizer.json; see `Clean`."""
    tokenizer: str = "tokenizer.json"

    def __post_init__(self) -> None:
        if self.context < 2:
            raise ValueError(f"context is {quoted(self.context)}; a start and an end token need 2")
        if self.context > LARGEST_CONTEXT:
            raise ValueError(f"context is {quoted(self.context)}, wanted at most {LARGEST_CONTEXT}")
        for name, token in (("pad_id", self.pad_id), ("end_id", self.end_id)):
            if token is not None and not 0 <= token < 2**31:
                raise ValueError(f"{name} is {quoted(token)}, not the id of a token")
