"""Cleaning of a text before its tokenizer, as the checkpoint's own code does it.

* none: unchanged.
* lower: lower case.
* openai_cased: ftfy, HTML entities (twice), white space.
* openai: openai_cased, then lower case.
* canonical: openai_cased, "_" to space, no punctuation, lower case, white space.
* siglip: U+2581 to space, lower case, no punctuation, white space.

ftfy takes 7 us a line (one core of an AMD EPYC), so that a megabyte of line breaks would take 7 s.
Of a text above 32,768 characters it gets the first lines only, without blank ones: as many as fill
any context, at most some 131,072 characters. They are cleaned as in the whole text.
"""

import html
import importlib
import re
import string
from collections.abc import Callable, Mapping
from typing import Final

from twinlens.bundle.specs import Clean
from twinlens.errors import TextError

NO_PUNCTUATION: Final = str.maketrans("", "", string.punctuation)
WHITESPACE: Final = re.compile(r"\s+")
WORD_BOUNDARY: Final = "\u2581"
"""SentencePiece's character for a space."""

BLANK_LINES: Final = re.compile(r"\n[ \t\r\n]*\n")
"""Lines of white space alone, which is one space in the end. ASCII only: ftfy repairs others."""
HEADS: Final = (1 << 15, 1 << 17)
"""Characters that ftfy gets of a long text, at first and if too few are left of those."""
ENOUGH: Final = 1 << 14
"""Cleaned characters, more than the tokens of any context hold."""
MAX_LINE: Final = 1_000_000
"""Characters after which ftfy itself cuts a line."""


def cleaner(clean: Clean) -> Callable[[str], str]:
    """Return the function that cleans a text by these rules.

    Raises:
        TextError: the rules need ftfy, which is not installed.
    """
    return CLEANERS[clean]()


def _none() -> Callable[[str], str]:
    return str


def _lower() -> Callable[[str], str]:
    return str.lower


def _openai() -> Callable[[str], str]:
    """Rules of CLIP's own code, and of open_clip for most checkpoints."""
    clean_cased = _openai_cased()
    return lambda text: clean_cased(text).lower()


def _openai_cased() -> Callable[[str], str]:
    """Rules of open_clip before a tokenizer of transformers (`basic_clean`, `whitespace_clean`).

    ftfy repairs mojibake, straightens quotes and narrows full-width letters; then HTML entities.
    """
    try:
        ftfy = importlib.import_module("ftfy")
    except ImportError as error:
        raise TextError(
            "this bundle's texts are cleaned as OpenAI does, which needs ftfy; "
            "pip install 'twinlens[ftfy]'"
        ) from error

    def fixed(text: str) -> str:
        repaired = html.unescape(html.unescape(ftfy.fix_text(text)))
        return WHITESPACE.sub(" ", repaired).strip()

    def clean(text: str) -> str:
        if len(text) <= HEADS[0]:
            return fixed(text)
        text = BLANK_LINES.sub("\n", text)
        cleaned = ""
        for characters in HEADS:
            head = _whole_lines(text, characters)
            cleaned = fixed(head)
            if len(cleaned) >= ENOUGH or len(head) == len(text):
                break
        return cleaned

    return clean


def _whole_lines(text: str, characters: int) -> str:
    """Return the first lines of a text, so many that they have at least this many characters."""
    end = text.find("\n", characters) + 1 or len(text)
    start = text.rfind("\n", 0, characters) + 1
    return text[: min(end, start + MAX_LINE)]


def _canonical() -> Callable[[str], str]:
    """Rules of open_clip for SigLIP (`_clean_canonicalize`): openai_cased first, `_` is a space."""
    clean_cased = _openai_cased()

    def clean(text: str) -> str:
        bare = clean_cased(text).replace("_", " ").translate(NO_PUNCTUATION).lower()
        return WHITESPACE.sub(" ", bare).strip()

    return clean


def _siglip() -> Callable[[str], str]:
    """Rules of big_vision's `canonicalize_text`, which SigLIP was trained with."""

    def clean(text: str) -> str:
        bare = text.replace(WORD_BOUNDARY, " ").lower().translate(NO_PUNCTUATION)
        return WHITESPACE.sub(" ", bare).strip()

    return clean


CLEANERS: Final[Mapping[Clean, Callable[[], Callable[[str], str]]]] = {
    "none": _none,
    "lower": _lower,
    "openai": _openai,
    "openai_cased": _openai_cased,
    "canonical": _canonical,
    "siglip": _siglip,
}
