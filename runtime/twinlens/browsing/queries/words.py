"""Words of a query: texts to be like, and texts to be unlike, as in `apple - fruit`."""

import re
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from twinlens.normalization import unit_rows

F32 = NDArray[np.float32]

SIGN: Final = re.compile(r"(?:^|(?<=\s))([+-])(?:\s+|$)")
"""Sign between blanks, or at an end: `t-shirt` has none."""
LEAST: Final = 1e-3
"""Least length of a sum of unit rows that has a direction worth a search."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """Texts of a query, each with a weight of 1."""

    plus: tuple[str, ...]
    minus: tuple[str, ...] = ()

    @property
    def is_plain(self) -> bool:
        """True for one text alone: only its cosines are those of a calibration."""
        return len(self.plus) == 1 and not self.minus

    @property
    def texts(self) -> tuple[str, ...]:
        """All texts, those to be like first."""
        return self.plus + self.minus

    def row(self, rows: F32) -> F32 | None:
        """Return the query [D] of the unit rows [T, D] of its texts.

        The sum of those to be like minus the sum of the others, scaled to length 1; None where they
        cancel each other out.
        """
        if self.is_plain:
            only: F32 = rows[0]
            return only
        n_plus = len(self.plus)
        total = rows[:n_plus].sum(axis=0) - rows[n_plus:].sum(axis=0)
        if np.linalg.norm(total) < LEAST:
            return None
        row: F32 = unit_rows(total[None])[0]
        return row


def read_words(written: str) -> Words:
    """Read a query as it was typed; a sign without text is passed over.

    Raises:
        ValueError: there is no text to be like.

    >>> read_words("apple - fruit + red")
    Words(plus=('apple', 'red'), minus=('fruit',))
    >>> read_words("t-shirt").plus
    ('t-shirt',)
    """
    first, *rest = SIGN.split(written)
    signed = [("+", first), *zip(rest[::2], rest[1::2], strict=True)]
    texts = [(sign, " ".join(text.split())) for sign, text in signed]
    plus = tuple(text for sign, text in texts if sign == "+" and text)
    minus = tuple(text for sign, text in texts if sign == "-" and text)
    if not plus:
        raise ValueError("there are no words to be like; write some, as in: apple - fruit")
    return Words(plus=plus, minus=minus)
