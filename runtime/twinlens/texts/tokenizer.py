"""Strings as token ids [B, T]."""

import logging
from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Final, Literal, get_args

import numpy as np
import tokenizers
from numpy.typing import NDArray

from twinlens.bundle.specs import TextSpec
from twinlens.errors import TextError
from twinlens.texts.cleaning import cleaner

logger = logging.getLogger(__name__)

I64 = NDArray[np.int64]
OnCut = Literal["ignore", "warn", "error"]

HEAD: Final = 4096
"""Characters that are tokenised at first: a megabyte takes a second, and most of it is cut off."""
NAMED: Final = 3
"""Texts that a warning names; it counts the others."""


class Tokenizer:
    """The checkpoint's own tokenizer, read from its tokenizer.json.

    A marker such as `<|endoftext|>` inside a text stays text: it cannot end the text early.
    """

    def __init__(self, path: Path, spec: TextSpec) -> None:
        try:
            self._tokenizer = tokenizers.Tokenizer.from_file(str(path))
        except Exception as error:  # the library raises nothing more special
            raise TextError(
                f"{path} is not a tokenizer: {error}; export the bundle again"
            ) from error
        self._tokenizer.encode_special_tokens = True
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(spec.context)
        self._spec, self._clean = spec, cleaner(spec.clean)
        (empty,) = self.encode_ragged([""])
        self._n_marks = self._tokenizer.num_special_tokens_to_add(is_pair=False)
        if spec.end_id is not None and empty[-1:] != [spec.end_id]:
            raise TextError(
                f"{path} ends a text with {empty[-1:]}, wanted the end token {spec.end_id}; "
                "export the bundle again"
            )

    def encode(self, texts: Sequence[str], *, on_cut: OnCut = "ignore") -> I64:
        """Ids [B, T]; T is the longest text's length, or the context if the tower is not causal.

        A text longer than the context is cut; its end token stays.

        Raises:
            TextError: names the first text that is not one, or may not be cut, by its index.
        """
        return self.pack(self.encode_ragged(texts, on_cut=on_cut))

    def encode_ragged(self, texts: Sequence[str], *, on_cut: OnCut = "ignore") -> list[list[int]]:
        """The ids of each text, marks included, not yet padded to one length.

        Args:
            texts: any strings.
            on_cut: what becomes of a text longer than the context. "ignore" cuts it, "warn" cuts it
                and logs which, "error" refuses it.

        Raises:
            TextError: names the first text that is not one, or may not be cut, by its index.
        """
        if on_cut not in get_args(OnCut):
            raise ValueError(f"on_cut is {on_cut!r}, not one of {', '.join(get_args(OnCut))}")
        strings = [self._clean(_checked(index, text)) for index, text in enumerate(texts)]
        heads = self._tokenizer.encode_batch_fast([string[:HEAD] for string in strings])
        whole = [self._settled(*pair) for pair in zip(strings, heads, strict=True)]
        if on_cut != "ignore":
            cut = {
                n: self._length(*pair) for n, pair in enumerate(zip(strings, whole, strict=True))
            }
            self._report({n: length for n, length in cut.items() if length}, len(texts), on_cut)
        return [found.ids for found in whole]

    def pack(self, rows: Sequence[Sequence[int]], *, multiple: int = 1) -> I64:
        """One batch [B, T] of encoded texts, padded at the end.

        T is that of the longest, rounded up to a multiple of so many, but no more than the context;
        the context itself where the tower wants all of it.
        """
        longest = max((len(row) for row in rows), default=2)
        rounded = min(-(-max(longest, 1) // multiple) * multiple, self._spec.context)
        length = max(longest, rounded) if self._spec.trim else self._spec.context
        ids = np.full((len(rows), length), self._spec.pad_id, dtype=np.int64)
        for padded, row in zip(ids, rows, strict=True):
            padded[: len(row)] = row
        return ids

    def _settled(self, string: str, head: tokenizers.Encoding) -> tokenizers.Encoding:
        """The encoding of a whole string, of which no more is read than decides its ids.

        Where the head was cut, words may come out otherwise: two further contexts keep that away.
        """
        length = HEAD
        while length < len(string) and len(head.overflowing) < 2:
            length *= 4
            (head,) = self._tokenizer.encode_batch_fast([string[:length]])
        return head

    def _report(self, cut: Mapping[int, str], given: int, on_cut: OnCut) -> None:
        told = [f"text {index} has {length}" for index, length in islice(cut.items(), NAMED)]
        if told and on_cut == "error":
            raise TextError(
                f"{told[0]} tokens, wanted at most {self._spec.context}; "
                "shorten it, or let it be cut with on_cut='warn'"
            )
        if told:
            more = f" and {len(cut) - NAMED} more" if len(cut) > NAMED else ""
            what = f"{len(cut)} of {given} texts are cut to {self._spec.context} tokens"
            logger.warning("%s: %s%s", what, ", ".join(told), more)

    def _length(self, string: str, found: tokenizers.Encoding) -> str:
        """How many tokens a text has that was cut, marks included; empty if it was not."""
        if not found.overflowing:
            return ""
        rest = sum(len(part.ids) - self._n_marks for part in found.overflowing)
        return f"{len(found.ids) + rest}{' or more' if len(string) > HEAD else ''}"


def _checked(index: int, text: object) -> str:
    if not isinstance(text, str):
        raise TextError(f"text {index} is a {type(text).__name__}, not a string")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise TextError(
            f"text {index} holds a lone surrogate at character {error.start}; "
            "decode it with errors='replace'"
        ) from error
    return text
