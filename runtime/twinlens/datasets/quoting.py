"""Paths and values of foreign files in error messages: short, and on one line."""

import os
from reprlib import Repr
from typing import Final

from twinlens.errors import QUOTED_CHARACTERS, quoted

_REPR: Final = Repr()
_REPR.maxstring = _REPR.maxother = _REPR.maxlong = QUOTED_CHARACTERS


def quoted_path(path: str | os.PathLike[str]) -> str:
    """Return a path for a message; of a long one, the middle is left out."""
    return quoted(os.fspath(path))


def quoted_value(value: object) -> str:
    r"""Return the repr of a value for a message.

    >>> quoted_value("a\nb")
    "'a\\nb'"
    """
    # Cut before the repr: that of a cell of a megabyte takes four.
    cut = value[: QUOTED_CHARACTERS + 1] if isinstance(value, (bytes, bytearray)) else value
    try:
        return quoted(_REPR.repr(cut))
    except ValueError:  # an integer of more digits than Python writes
        return f"a huge {type(value).__name__}"
