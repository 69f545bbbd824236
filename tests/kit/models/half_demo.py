"""The demo model with its towers of fp16 beside those of int8, which alone the package has."""

from pathlib import Path
from typing import Final

import pytest

_FOLDER: Final = Path(__file__).parent / "demo_with_fp16"


def half_demo() -> Path:
    """The bundle's folder; where it is missing, as in an sdist, the test is skipped."""
    if not _FOLDER.exists():
        pytest.skip(f"{_FOLDER.name} is in a clone, and in no sdist")
    return _FOLDER
