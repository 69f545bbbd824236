"""Tokenization of texts to token ids [B, T]."""

import logging
from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Final, Literal, get_args

import numpy as np
import tokenizers
from numpy.typing import NDArray

from twinlens.bundle.specs import TextSpec
from twinlens.errors import TextError, quoted
from twinlens.texts.cleaning import cleaner
from twinlens.texts.cures import no_string

logger = logging.getLogger(__name__)

I64 = NDArray[np.int64]
OnCut = Literal["ignore", "warn", "error"]

HEAD_CHARACTERS: Final = 4096
"""Characters tokenized at first: a megabyte takes a second, and most of it is truncated."""
MAX_NAMED: Final = 3
"""Largest number of texts that a warning names; it counts the others."""


class Tokenizer:
    """The checkpoint's own tokenizer, read from its tokenizer.json.

    A special token such as `<|endoftext|>` inside a text stays text: it cannot end the text early.
    """

    def __init__(self, path: Path, spec: TextSpec) -> None:
        try:
            self._tokenizer = tokenizers.Tokenizer.from_file(str(path))
        except Exception as error:  # the library has no exception type of its own
            raise TextError(
                f"{path} is not a tokenizer: {quoted(str(error))}; export the bundle again"
            ) from error
        self._tokenizer.encode_special_tokens = True
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(spec.context)
        self._spec, self._clean = spec, cleaner(spec.clean)
        (empty,) = self.encode_ragged([""])
        self._special = frozenset(empty)
        self._n_special = self._tokenizer.num_special_tokens_to_add(is_pair=False)
        if spec.end_id is not None and empty[-1:] != [spec.end_id]:
            raise TextError(
                f"{path} ends a text with {empty[-1:]}, wanted the end token {spec.end_id}; "
                "export the bundle again"
            )

    def encode(self, texts: Sequence[str], *, on_cut: OnCut = "ignore") -> I64:
        """Encode texts as ids [B, T], padded at the end.

        T is the length of the longest text if the spec allows trimming, else the context. A longer
        text is truncated to the context; its end token stays.

        Raises:
            TextError: a text is not a string, or may not be truncated; the message has the index of
                the first.
        """
        return self.pack(self.encode_ragged(texts, on_cut=on_cut))

    def encode_ragged(
        self, texts: Sequence[str], *, on_cut: OnCut = "ignore", first: int = 0
    ) -> list[list[int]]:
        """Encode texts as lists of ids, with start and end tokens, without padding.

        Args and errors are those of `encode_marked`.
        """
        rows, _ = self.encode_marked(texts, on_cut=on_cut, first=first)
        return rows

    def encode_marked(
        self, texts: Sequence[str], *, on_cut: OnCut = "ignore", first: int = 0
    ) -> tuple[list[list[int]], list[int]]:
        """Encode texts as `encode_ragged` does; also return the places of the truncated ones.

        Args:
            texts: any strings.
            first: index of the first text, for the messages.
            on_cut: handling of a text longer than the context. "ignore" truncates it, "warn"
                truncates it and logs its index, "error" refuses it.

        Raises:
            TextError: a text is not a string, or may not be truncated; the message has the index of
                the first.
        """
        if on_cut not in get_args(OnCut):
            raise ValueError(
                f"on_cut is {quoted(repr(on_cut))}, not one of {', '.join(get_args(OnCut))}"
            )
        strings = [self._clean(_checked(index, text)) for index, text in enumerate(texts, first)]
        heads = self._tokenizer.encode_batch_fast([string[:HEAD_CHARACTERS] for string in strings])
        encodings = [self._extended(*pair) for pair in zip(strings, heads, strict=True)]
        marked = [index for index, encoding in enumerate(encodings) if encoding.overflowing]
        if on_cut != "ignore":
            cut = {first + i: self._truncated_length(strings[i], encodings[i]) for i in marked}
            self._report(cut, len(texts), on_cut)
        return [encoding.ids for encoding in encodings], marked

    def require_ids(self, rows: Sequence[Sequence[int]]) -> None:
        """Check that encoded texts may be those of this tokenizer.

        Raises:
            TextError: a row is empty, is longer than the context, lacks the end token, or has an id
                that no token has; the message has its index.
        """
        for index, row in enumerate(rows):
            if not 0 < len(row) <= self._spec.context:
                raise TextError(
                    f"text {index} has {len(row)} tokens, wanted 1 to {self._spec.context}"
                )
            if self._spec.end_id is not None and row[-1] != self._spec.end_id:
                raise TextError(
                    f"text {index} ends with token {quoted(row[-1])}, wanted the end token "
                    f"{self._spec.end_id}; use Model.tokenize"
                )
        for token in set().union(*rows) - self._special:
            # The library takes no negative number and none of more than 32 bits.
            if not 0 <= token < 2**32 or self._tokenizer.id_to_token(token) is None:
                index = next(index for index, row in enumerate(rows) if token in row)
                raise TextError(
                    f"text {index} has the token {quoted(token)}, which is none of this model's; "
                    "use Model.tokenize"
                )

    def pack(self, rows: Sequence[Sequence[int]], *, multiple: int = 1) -> I64:
        """Pack encoded texts into one batch [B, T], padded at the end.

        T is the length of the longest, rounded up to a multiple of `multiple`, but at most the
        context; it is the context itself where the tower needs the full context.
        """
        longest = max((len(row) for row in rows), default=2)
        rounded = min(-(-max(longest, 1) // multiple) * multiple, self._spec.context)
        length = max(longest, rounded) if self._spec.trim else self._spec.context
        ids = np.full((len(rows), length), self._spec.pad_id, dtype=np.int64)
        for padded, row in zip(ids, rows, strict=True):
            padded[: len(row)] = row
        return ids

    def _extended(self, string: str, head: tokenizers.Encoding) -> tokenizers.Encoding:
        """Encode as much of a string as its truncated ids depend on, beginning with its head.

        The last tokens of a cut string may differ from those of the whole string; two more contexts
        of tokens keep the cut away from the first context.
        """
        length = HEAD_CHARACTERS
        while length < len(string) and len(head.overflowing) < 2:
            length *= 4
            (head,) = self._tokenizer.encode_batch_fast([string[:length]])
        return head

    def _report(self, cut: Mapping[int, str], n_texts: int, on_cut: OnCut) -> None:
        """Log or refuse the truncated texts, given by their lengths."""
        named = [f"text {index} has {length}" for index, length in islice(cut.items(), MAX_NAMED)]
        if named and on_cut == "error":
            raise TextError(
                f"{named[0]} tokens, wanted at most {self._spec.context}; "
                "shorten it, or let it be cut with on_cut='warn'"
            )
        if named:
            more = f" and {len(cut) - MAX_NAMED} more" if len(cut) > MAX_NAMED else ""
            summary = f"{len(cut)} of {n_texts} texts are cut to {self._spec.context} tokens"
            logger.warning("%s: %s%s", summary, ", ".join(named), more)

    def _truncated_length(self, string: str, encoding: tokenizers.Encoding) -> str:
        """Return the number of tokens of a truncated text, special tokens included."""
        rest = sum(len(part.ids) - self._n_special for part in encoding.overflowing)
        more = " or more" if len(string) > HEAD_CHARACTERS else ""
        return f"{len(encoding.ids) + rest}{more}"


def _checked(index: int, text: object) -> str:
    if not isinstance(text, str):
        raise no_string(f"text {index}", text)
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise TextError(
            f"text {index} holds a lone surrogate at character {error.start}; "
            "decode it with errors='replace'"
        ) from error
    return text
