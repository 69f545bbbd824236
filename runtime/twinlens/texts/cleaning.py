"""Cleaning: what is done to a text before its tokenizer sees it."""

import html
import importlib
import re
import string
from collections.abc import Callable, Mapping
from typing import Final

from twinlens.bundle.specs import Clean
from twinlens.errors import TextError

PUNCTUATION: Final = str.maketrans("", "", string.punctuation)
SPACES: Final = re.compile(r"\s+")
WORD_BOUNDARY: Final = "\u2581"
"""What SentencePiece writes for a space."""


def cleaner(clean: Clean) -> Callable[[str], str]:
    """The function that cleans a text by these rules.

    Raises:
        TextError: the rules need ftfy, which is not installed.
    """
    return CLEANERS[clean]()


def _as_it_is() -> Callable[[str], str]:
    return str


def _as_lower() -> Callable[[str], str]:
    return str.lower


def _as_openai() -> Callable[[str], str]:
    """As CLIP's own code does, and open_clip's for most checkpoints."""
    cased = _as_openai_cased()
    return lambda text: cased(text).lower()


def _as_openai_cased() -> Callable[[str], str]:
    """As open_clip does before a tokenizer of transformers (`basic_clean`, `whitespace_clean`).

    ftfy mends mojibake, straightens quotes and narrows full-width letters; then HTML entities.
    """
    try:
        ftfy = importlib.import_module("ftfy")
    except ImportError as error:
        raise TextError(
            "this bundle's texts are cleaned as OpenAI does, which needs ftfy; "
            "pip install 'twinlens[ftfy]'"
        ) from error

    def clean(text: str) -> str:
        mended = html.unescape(html.unescape(ftfy.fix_text(text)))
        return SPACES.sub(" ", mended).strip()

    return clean


def _as_canonical() -> Callable[[str], str]:
    """As open_clip does for SigLIP (`_clean_canonicalize`): mended first, `_` is a space."""
    cased = _as_openai_cased()

    def clean(text: str) -> str:
        bare = cased(text).replace("_", " ").translate(PUNCTUATION).lower()
        return SPACES.sub(" ", bare).strip()

    return clean


def _as_siglip() -> Callable[[str], str]:
    """As big_vision's `canonicalize_text` does, by which SigLIP was trained."""

    def clean(text: str) -> str:
        bare = text.replace(WORD_BOUNDARY, " ").lower().translate(PUNCTUATION)
        return SPACES.sub(" ", bare).strip()

    return clean


CLEANERS: Final[Mapping[Clean, Callable[[], Callable[[str], str]]]] = {
    "none": _as_it_is,
    "lower": _as_lower,
    "openai": _as_openai,
    "openai_cased": _as_openai_cased,
    "canonical": _as_canonical,
    "siglip": _as_siglip,
}
