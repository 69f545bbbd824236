"""Token ids of texts, made by one model's tokenizer for its own text tower."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from operator import index as whole_number

from twinlens.bundle.specs import TextSpec
from twinlens.errors import TextError, quoted


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """Token ids of B texts, each of its own length; `Model.embed_tokens` takes them.

    `tokens[3]` and `tokens[2:5]` are the Tokens of one text and of several, and the sum of two the
    Tokens of both: a batch may be taken apart and put together from several requests.
    """

    rows: tuple[tuple[int, ...], ...]
    """Ids of each text, with its start and end tokens, without padding."""
    cut: tuple[int, ...] = ()
    """Ascending places of the texts that were longer than the context, and lost their end."""
    tokenizer: str
    """Key of the tokenizer, `Model.tokenizer_key`: ids of another one mean other words, and are
    refused."""

    def __post_init__(self) -> None:
        if not isinstance(self.rows, tuple) or not all(map(_is_row, self.rows)):
            raise TextError("the rows of Tokens are no tuple of tuples of ints; use Model.tokenize")
        if not isinstance(self.cut, tuple) or not _ascends(self.cut, len(self.rows)):
            raise TextError(
                f"the cut texts of Tokens are {quoted(self.cut)}, wanted ascending places below "
                f"{len(self.rows)}"
            )
        if not isinstance(self.tokenizer, str):
            raise TextError(f"the tokenizer of Tokens is {quoted(self.tokenizer)}, wanted its key")

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator["Tokens"]:
        return (self[place] for place in range(len(self)))

    def __getitem__(self, place: int | slice) -> "Tokens":
        if isinstance(place, slice):
            return self._at(range(*place.indices(len(self))))
        return self._at([range(len(self))[whole_number(place)]])

    def __add__(self, other: "Tokens") -> "Tokens":
        return Tokens.joined([self, other]) if isinstance(other, Tokens) else NotImplemented

    @classmethod
    def joined(cls, parts: Iterable["Tokens"]) -> "Tokens":
        """Return the tokens of several in one, in their order.

        Raises:
            TextError: they are of several tokenizers.
            ValueError: there are none.
        """
        several = [*parts]
        if not several:
            raise ValueError("there are no Tokens to join; give at least one")
        if len({part.tokenizer for part in several}) > 1:
            raise TextError("these Tokens are of several tokenizers; tokenize them by one model")
        rows: list[tuple[int, ...]] = []
        cut: list[int] = []
        for part in several:
            cut += [len(rows) + place for place in part.cut]
            rows += part.rows
        return cls(rows=tuple(rows), cut=tuple(cut), tokenizer=several[0].tokenizer)

    @property
    def lengths(self) -> tuple[int, ...]:
        """Number of tokens of each text, start and end tokens included."""
        return tuple(map(len, self.rows))

    def _at(self, places: Sequence[int]) -> "Tokens":
        lost = frozenset(self.cut)
        return Tokens(
            rows=tuple(self.rows[place] for place in places),
            cut=tuple(new for new, place in enumerate(places) if place in lost),
            tokenizer=self.tokenizer,
        )


def tokenizer_key(spec: TextSpec, *, sha256: str) -> str:
    """Return the key of a tokenizer: of equal keys the ids of a text are equal.

    Args:
        spec: its cleaning and its context.
        sha256: of tokenizer.json.
    """
    return hashlib.sha256(f"{sha256} {spec.clean} {spec.context}".encode()).hexdigest()


def _is_row(row: object) -> bool:
    # Not isinstance: True is an int too, and an id of numpy's would not be equal when pickled.
    return isinstance(row, tuple) and all(type(token) is int for token in row)


def _ascends(places: tuple[int, ...], count: int) -> bool:
    known = all(type(place) is int and place in range(count) for place in places)
    return known and list(places) == sorted(set(places))
