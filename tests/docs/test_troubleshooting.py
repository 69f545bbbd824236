"""The messages that the page of troubleshooting explains are those that the code has."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "pages" / "troubleshooting.md").read_text("utf-8")
MESSAGES = re.findall(r"^\| `([^`]+)` \|", PAGE, re.MULTILINE)
ROOMS = ("runtime", "export", "kernels/twinlens_kernels")


def words(text: str) -> str:
    """Return text without the breaks between two literals, f-strings or lines."""
    return re.sub(r'"\s*\n\s*f?"', "", text)


SOURCE = "\n".join(
    words(path.read_text("utf-8")) for room in ROOMS for path in (ROOT / room).rglob("*.py")
)


@pytest.mark.parametrize("message", MESSAGES)
def test_a_message_is_one_of_the_code(message: str) -> None:
    assert message in SOURCE


def test_the_page_has_messages() -> None:
    assert len(MESSAGES) > 30
