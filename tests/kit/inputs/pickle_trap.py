"""A pickle that runs code when it is loaded."""

from pathlib import Path
from typing import Any

SPRUNG = "sprung"
"""File in the working directory, made by the trap's code."""


class Trap:
    """An object of which unpickling makes a file."""

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (Path(SPRUNG),)
