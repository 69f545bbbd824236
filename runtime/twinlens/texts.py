"""Strings as token ids [B, T]."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
import tokenizers
from numpy.typing import NDArray

from twinlens.bundle import TextSpec
from twinlens.errors import TextError

I64 = NDArray[np.int64]

HEAD: Final = 4096
"""Characters that are tokenised at first: a megabyte takes a second, and most of it is cut off."""


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
        self._spec = spec
        (empty,) = self.encode_ragged([""])
        if empty[-1:] != [spec.end_id]:
            raise TextError(
                f"{path} ends a text with {empty[-1:]}, wanted the end token {spec.end_id}; "
                "export the bundle again"
            )

    def encode(self, texts: Sequence[str]) -> I64:
        """Ids [B, T]; T is the longest text's length, or the context if the tower is not causal.

        A text longer than the context is cut; its end token stays.

        Raises:
            TextError: names the first text that is not one by its index.
        """
        return self.pack(self.encode_ragged(texts))

    def encode_ragged(self, texts: Sequence[str]) -> list[list[int]]:
        """The ids of each text, marks included, not yet padded to one length.

        Raises:
            TextError: names the first text that is not one by its index.
        """
        strings = [_checked(index, text) for index, text in enumerate(texts)]
        heads = self._tokenizer.encode_batch_fast([string[:HEAD] for string in strings])
        return [
            self._settled(string, head).ids for string, head in zip(strings, heads, strict=True)
        ]

    def pack(self, rows: Sequence[Sequence[int]]) -> I64:
        """One batch [B, T] of encoded texts, padded at the end."""
        longest = max((len(row) for row in rows), default=2)
        length = longest if self._spec.trim else self._spec.context
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
