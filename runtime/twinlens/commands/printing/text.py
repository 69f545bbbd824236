"""Text for a terminal: one line, nothing that moves its cursor, no quotation without end."""

import re
from typing import Final

MOST_QUOTED: Final = 80
"""Letters of a quoted input that are shown."""
MOST_UNBROKEN: Final = 255
"""Letters without a blank that are shown: as many as a file's name may have."""
MOST_SHOWN: Final = 2000
"""Letters of a message."""

_QUOTED: Final = re.compile(
    r"""(?<![\w'"])'(?:[^'\\]|\\.){81,}'(?!\w)|(?<![\w'"])"(?:[^"\\]|\\.){81,}"(?!\w)"""
)
_UNBROKEN: Final = re.compile(rf"\S{{{MOST_UNBROKEN + 1},}}")


def printable(text: str) -> str:
    r"""Return the text with escapes for all that is no printable letter.

    >>> printable("two\nlines, \x1b[31mred")
    'two\\nlines, \\x1b[31mred'
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def one_line(message: str) -> str:
    """Return a message as one line, with each quoted input cut at 80 letters."""
    line = printable(message.strip())
    line = _QUOTED.sub(lambda found: _cut(found[0][:-1], MOST_QUOTED) + found[0][0], line)
    line = _UNBROKEN.sub(lambda found: _cut(found[0], MOST_QUOTED), line)
    return _cut(line, MOST_SHOWN)


def _cut(text: str, most: int) -> str:
    """Return the text, without its middle where it is too long: the end may name the cure."""
    if len(text) <= most:
        return text
    end = most // 4
    return f"{text[: most - end - 3]}...{text[-end:]}"
