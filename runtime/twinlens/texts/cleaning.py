"""Cleaning of a text before its tokenizer, as the checkpoint's own code does it.

* none: unchanged.
* lower: lower case.
* openai_cased: ftfy, HTML entities (twice), white space.
* openai: openai_cased, then lower case.
* canonical: openai_cased, "_" to space, no punctuation, lower case, white space.
* siglip: U+2581 to space, lower case, no punctuation, white space.
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

    def clean(text: str) -> str:
        fixed = html.unescape(html.unescape(ftfy.fix_text(text)))
        return WHITESPACE.sub(" ", fixed).strip()

    return clean


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
