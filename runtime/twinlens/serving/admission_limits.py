"""Limits on requests: sizes never accepted, and work that may wait."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Final

from twinlens.errors import RequestSizeError
from twinlens.serving.work import Priority

BULK_SHARE_OF_BYTES: Final = 0.75
"""Part of the memory that bulk requests may hold; a flood of them leaves room for the others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AdmissionLimits:
    """Limits of an engine; a request beyond them is refused as a whole before it is queued.

    Raises ValueError if a number is not finite or not above 0.

        AdmissionLimits(images_a_request=128, max_wait_s=60, timeout_s=60)  # large uploads
    """

    texts_a_request: int = 256
    images_a_request: int = 32
    text_characters: int = 65_536
    """Characters of one text; a tower reads some hundred of them."""
    interactive_items: int = 4
    """Items of the largest request that is interactive unless it says otherwise."""
    interactive_s: float = 0.5
    """Estimated seconds of work of the largest such request."""
    max_items: int = 2048
    """Items that wait, for each kind and priority."""
    max_wait_s: float = 8.0
    """Estimated time until a queue of bulk items is empty; beyond it requests are refused."""
    max_interactive_wait_s: float = 2.0
    """The same of a queue of interactive items."""
    max_bytes: int = 512 * 2**20
    """Bytes of texts and encoded images held, waiting or at work."""
    max_pixels_at_work: int = 256_000_000
    """Pixels decoded at one time, by all workers; one larger image is decoded alone."""
    timeout_s: float = 10.0
    """Time from arrival to answer; a request may ask for less, never for more."""

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if not 0 < value < math.inf:
                raise ValueError(f"{field.name} is {value}, not a finite number above 0")

    def check_sizes(self, texts: Sequence[str], *, n_images: int, n_bytes: int) -> None:
        """Refuse a request that would not be accepted by an idle engine either.

        Raises:
            RequestSizeError: it has too many items or bytes, or a text is too long.
        """
        _at_most(len(texts), self.texts_a_request, "texts a request", "ask for them in parts")
        _at_most(n_images, self.images_a_request, "images a request", "ask for them in parts")
        longest = max(map(len, texts), default=0)
        _at_most(longest, self.text_characters, "characters a text", "shorten it")
        most_bytes = int(self.bytes_for("bulk"))
        _at_most(n_bytes, most_bytes, "bytes a request", "ask for it in parts")

    def allowed_s(self, timeout_s: float | None) -> float:
        """Return the time that a request has, if it asks for so much, or for None.

        Raises:
            ValueError: it is not above 0.
        """
        if timeout_s is None:
            return self.timeout_s
        if not timeout_s > 0:  # nor is NaN
            raise ValueError(f"timeout_s is {timeout_s}, wanted seconds above 0")
        return min(timeout_s, self.timeout_s)

    def wait_s(self, priority: Priority) -> float:
        """Return the longest queue of this priority that accepts requests."""
        return self.max_interactive_wait_s if priority == "interactive" else self.max_wait_s

    def bytes_for(self, priority: Priority) -> float:
        """Return the bytes that may be held once a request of this priority is accepted."""
        return self.max_bytes * (1 if priority == "interactive" else BULK_SHARE_OF_BYTES)


def _at_most(got: int, most: int, noun: str, cure: str) -> None:
    if got > most:
        raise RequestSizeError(f"{got:,} {noun}, at most {most:,} are accepted; {cure}")
