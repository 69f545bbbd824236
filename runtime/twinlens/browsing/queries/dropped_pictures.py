"""Rows of pictures that were dropped on the page, for a while."""

import secrets
from collections import OrderedDict
from typing import Final

import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]

MOST: Final = 200
"""Rows kept: the oldest is forgotten first."""


class DroppedPictures:
    """Rows by a token each; the pictures themselves are not kept."""

    def __init__(self) -> None:
        self._rows: OrderedDict[str, F32] = OrderedDict()

    def keep(self, row: F32) -> str:
        """Keep a row [D]; return its token."""
        token = secrets.token_hex(8)
        self._rows[token] = row
        if len(self._rows) > MOST:
            self._rows.popitem(last=False)
        return token

    def row(self, token: str) -> F32 | None:
        """Return the row [D] of a token, if it is still kept."""
        return self._rows.get(token)
