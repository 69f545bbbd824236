"""Bodies of the page's requests and answers."""

from typing import Annotated, Final

from msgspec import Meta, Struct

MOST_COUNT: Final = 200
MOST_SKIP: Final = 10_000
"""Deepest hit of a search: each page compares its rows with all before it, some 50 ms there."""
MOST_LETTERS: Final = 2000
MOST_LABELS: Final = 50

Near = Annotated[float, Meta(ge=0.5, le=1)]
Text = Annotated[str, Meta(max_length=MOST_LETTERS)]


class HitsRequest(Struct, forbid_unknown_fields=True, kw_only=True):
    """One page of pictures: by words, by one like them, or all."""

    words: Text | None = None
    like: Text | None = None
    """Reference of a picture of the library."""
    dropped: Text | None = None
    """Token of a dropped picture."""
    skip: Annotated[int, Meta(ge=0, le=10**9)] = 0
    count: Annotated[int, Meta(ge=1, le=MOST_COUNT)] = 60
    near: Near | None = None
    """Least cosine of near duplicates; None tells of none."""


class PageHit(Struct):
    """A picture of the library, and its place among the hits."""

    ref: str
    title: str
    path: str
    """Below the folder, with "/" between its parts."""
    cosine: float | None = None
    """None where all pictures are listed."""
    evidence: float | None = None
    """Log-odds of a match, less those of the prior; None where no calibration tells them."""
    near: int | None = None
    """Place of the first hit before it that is a near duplicate."""


class HitsAnswer(Struct):
    """One page of hits, best first."""

    hits: list[PageHit]
    more: bool
    cut: bool = False
    """True if a text was longer than the context of the model."""
    plus: tuple[str, ...] = ()
    minus: tuple[str, ...] = ()


class DroppedAnswer(Struct):
    """Token of a dropped picture."""

    dropped: str


class LabelsRequest(Struct, forbid_unknown_fields=True, kw_only=True):
    """Labels among which a picture is to be shared out."""

    ref: Text
    labels: Annotated[list[Text], Meta(min_length=2, max_length=MOST_LABELS)]


class Share(Struct):
    """Share of a label among those given."""

    label: str
    share: float


class LabelsAnswer(Struct):
    """Shares, the largest first; they sum to 1."""

    shares: list[Share]


class LibraryAnswer(Struct):
    """Facts of the library that the page tells."""

    folder: str
    separator: str
    """Sign between the parts of a path on this system."""
    model: str
    pictures: int
    unreadable: int
    expected: int
    """Number of matches that a query is expected to have, at first."""
    uncalibrated: str | None
    """Reason against probabilities, if there are none."""
    level: str
    """Level of the calibration, or "none"."""
