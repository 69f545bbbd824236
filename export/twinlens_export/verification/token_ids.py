"""The token ids of the runtime, compared with those of the checkpoint's own tokenizer."""

import logging
import unicodedata
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from twinlens.errors import quoted
from twinlens.texts.tokenizer import Tokenizer
from twinlens_export.checkpoints.checkpoint import Checkpoint
from twinlens_export.errors import AgreementError
from twinlens_export.presence import there
from twinlens_export.verification.odd_texts import ODD_TEXTS, texts_with

logger = logging.getLogger(__name__)

MOST_TRIED: Final = 64
"""Added tokens that are tried; Gemma's tokenizer has thousands, all alike."""
SHOWN: Final = 8
"""Ids in a message."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedDifference:
    """A difference of ids that is meant, or known and bearable."""

    name: str
    reason: str
    explains: Callable[[str, Checkpoint], bool]
    """Return True if a text has it."""


def _has_mark(text: str, checkpoint: Checkpoint) -> bool:
    return any(mark in text for mark in there(checkpoint.tokenizer).marks)


def _has_stacked_marks(text: str, checkpoint: Checkpoint) -> bool:
    stacked = any(
        unicodedata.combining(first) and unicodedata.combining(second)
        for first, second in pairwise(text)
    )
    return stacked and '"Precompiled"' in there(checkpoint.tokenizer).json


NAMED: Final = (
    NamedDifference(
        name="special tokens inside a text are read by their letters",
        reason="transformers and open_clip let them end a text early, or hide the rest of it",
        explains=_has_mark,
    ),
    NamedDifference(
        name="several combining marks on one letter",
        reason="tokenizers composes fewer of them than SentencePiece does, and drops some",
        explains=_has_stacked_marks,
    ),
)
"""All differences of ids that are not refused. Beside them, texts are in lower case on both sides
where the checkpoint was trained so although its tokenizer keeps upper case (clean is "lower")."""


def require_ids(checkpoint: Checkpoint, tokenizer: Tokenizer, texts: Sequence[str]) -> None:
    """Refuse a tokenizer whose ids are not those of the checkpoint's own.

    They are compared on the given texts, on odd ones, and on texts with special and added tokens.

    Args:
        checkpoint: with its own cleaning of texts.
        tokenizer: the runtime's, for this checkpoint.
        texts: samples.

    Raises:
        AgreementError: a text has other ids, and no difference in NAMED explains it; or an id is
            outside the embedding; or ten texts have the ids of one.
    """
    _require_embedded(checkpoint)
    _require_marks_as_text(checkpoint, tokenizer)
    words = there(checkpoint.tokenizer).added[:MOST_TRIED]
    tried = [*texts, *ODD_TEXTS, *texts_with((*there(checkpoint.tokenizer).marks, *words))]
    found = _full(checkpoint, tokenizer.encode_ragged(tried))
    if (largest := int(found.max())) >= (rows := checkpoint.text_tower.vocabulary):
        raise AgreementError(
            f"the tokenizer gives a special token or padding the id {largest}, but the embedding "
            f"of the text tower has {rows} rows; give the tokenizer of this checkpoint"
        )
    wanted = _own_ids(checkpoint, tried)
    named = set()
    for text, ours, theirs in zip(tried, found, wanted, strict=True):
        if np.array_equal(ours, theirs):
            continue
        name = next((known.name for known in NAMED if known.explains(text, checkpoint)), None)
        if name is None:
            raise AgreementError(
                f"the runtime's ids of the text {quoted(repr(text))} are not those of the "
                f"checkpoint's own tokenizer: {_shown(ours, theirs)}; save the checkpoint with a "
                "tokenizer.json that gives them, by its fast tokenizer"
            )
        named.add(name)
    _require_distinct(found[: len(texts)], texts)
    for name in sorted(named):
        logger.info("ids differ as named: %s", name)


def _require_embedded(checkpoint: Checkpoint) -> None:
    """Refuse a tokenizer that can give an id without a row in the embedding."""
    rows = checkpoint.text_tower.vocabulary
    vocabulary = there(checkpoint.tokenizer).vocabulary
    beyond = {word: id_ for word, id_ in vocabulary.items() if id_ >= rows}
    if beyond:
        word, id_ = max(beyond.items(), key=lambda item: item[1])
        raise AgreementError(
            f"the tokenizer gives {quoted(repr(word))} the id {id_}, but the embedding of the text "
            f"tower has {rows} rows ({len(beyond)} such tokens); give the tokenizer of this "
            "checkpoint, or train with resize_token_embeddings(len(tokenizer)) of the text tower"
        )


def _require_marks_as_text(checkpoint: Checkpoint, tokenizer: Tokenizer) -> None:
    """Refuse a tokenizer that reads a special token in the letters of a text."""
    (plain,) = tokenizer.encode_ragged(["ab"])
    for mark, id_ in there(checkpoint.tokenizer).marks.items():
        (ids,) = tokenizer.encode_ragged([f"a{mark}b"])
        unknown = id_ == there(checkpoint.tokenizer).unknown_id  # of a letter, it is the right one
        if not unknown and ids.count(id_) > plain.count(id_):
            raise AgreementError(
                f"the runtime reads {quoted(repr(mark))} inside a text as the special token {id_}: "
                "a text could end itself; save the checkpoint with another tokenizer.json"
            )


def _require_distinct(ids: NDArray[np.int64], texts: Sequence[str]) -> None:
    """Refuse a tokenizer that gives ten texts the same ids: its words are missing."""
    n_texts, n_distinct = len(set(texts)), len({tuple(row) for row in ids})
    if 10 * n_distinct < n_texts:
        raise AgreementError(
            f"the tokenizer gives {n_texts} different texts only {n_distinct} rows of ids; "
            "it lacks their words: give the tokenizer of this checkpoint, or texts of its language"
        )


def _own_ids(checkpoint: Checkpoint, texts: Sequence[str]) -> NDArray[np.int64]:
    spec = there(checkpoint.text_spec)
    seen = [text.lower() for text in texts] if spec.clean == "lower" else texts
    try:
        with warnings.catch_warnings(action="ignore"):  # of end tokens inside a text
            return checkpoint.preparation.ids(seen, spec.context)
    except Exception as error:  # the libraries have no type in common
        raise AgreementError(
            f"the checkpoint's own tokenizer fails on ordinary texts ({quoted(str(error))}); "
            "save it again with tokenizer.save_pretrained"
        ) from error


def _full(checkpoint: Checkpoint, rows: Sequence[Sequence[int]]) -> NDArray[np.int64]:
    """Pad ids to the context: [B, T]."""
    spec = there(checkpoint.text_spec)
    ids = np.full((len(rows), spec.context), spec.pad_id, dtype=np.int64)
    for padded, row in zip(ids, rows, strict=True):
        padded[: len(row)] = row
    return ids


def _shown(ours: NDArray[np.int64], theirs: NDArray[np.int64]) -> str:
    """Return both rows of ids from their first difference on."""
    if ours.shape != theirs.shape:
        return f"{len(ours)} ids, wanted {len(theirs)}"
    first = int(np.argmax(ours != theirs))
    part = slice(first, first + SHOWN)
    return f"{ours[part].tolist()} from place {first} on, wanted {theirs[part].tolist()}"
