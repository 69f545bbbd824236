"""The ids that AutoTokenizer reads from a bundle, compared with those of the runtime."""

import html
import importlib
import logging
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from transformers import AutoTokenizer

from twinlens.errors import quoted
from twinlens.texts.tokenizer import Tokenizer
from twinlens_export.checkpoints.checkpoint import Checkpoint
from twinlens_export.portable.tokenizer_files import SPECIAL_TOKENS, TOKENIZER_CONFIG
from twinlens_export.presence import there
from twinlens_export.verification.odd_texts import ODD_TEXTS
from twinlens_export.verification.token_ids import NAMED

logger = logging.getLogger(__name__)

MENDED: Final = frozenset({"openai", "openai_cased", "canonical"})


def keep_right_files(
    checkpoint: Checkpoint, folder: Path, tokenizer: Tokenizer, texts: Sequence[str]
) -> None:
    """Delete the files by which AutoTokenizer would read other ids than the runtime.

    They are compared on the given texts and on odd ones. Differences that a tokenizer.json cannot
    avoid are borne: see `is_bearable`. Any other one is logged.

    Args:
        checkpoint: with its own cleaning of texts.
        folder: that of the bundle, with the files.
        tokenizer: the runtime's.
        texts: samples.
    """
    try:
        wrong = first_difference(checkpoint, folder, tokenizer, [*texts, *ODD_TEXTS])
        reason = f"would read the text {quoted(repr(wrong))} as other ids than twinlens does"
    except Exception as error:  # noqa: BLE001  the libraries have no type in common
        wrong, reason = "", f"cannot read it ({quoted(str(error))})"
    if wrong is None:
        return
    for name in (TOKENIZER_CONFIG, SPECIAL_TOKENS):
        (folder / name).unlink()
    logger.warning("there is no %s: AutoTokenizer %s", TOKENIZER_CONFIG, reason)


def first_difference(
    checkpoint: Checkpoint, folder: Path, tokenizer: Tokenizer, texts: Sequence[str]
) -> str | None:
    """Return the first text with other ids that is not bearable; None: there is none."""
    with warnings.catch_warnings(action="ignore"):
        theirs = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        found = theirs(list(texts), truncation=True)["input_ids"]
    wanted = tokenizer.encode_ragged(texts)
    different = (
        text for text, ours, other in zip(texts, wanted, found, strict=True) if ours != other
    )
    return next((text for text in different if not is_bearable(text, checkpoint)), None)


def is_bearable(text: str, checkpoint: Checkpoint) -> bool:
    """Return True if ids of a text may differ between the runtime and a tool.

    A special token inside a text ends it in a tool; no tool mends all that ftfy does, or knows all
    HTML entities; see also `twinlens_export.verification.token_ids`.
    """
    if any(known.explains(text, checkpoint) for known in NAMED):
        return True
    if there(checkpoint.text_spec).clean not in MENDED:
        return False
    mended = importlib.import_module("ftfy").fix_text(text)
    return bool(html.unescape(mended) != text)
