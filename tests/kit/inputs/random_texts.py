"""Random texts that tokenizers find hard: any script, and the neighbourhood of special tokens."""

import random
import unicodedata
from collections.abc import Collection


def random_texts(count: int, *, excluded: Collection[str], letters: str) -> list[str]:
    """Return texts of up to 59 characters: `count` of any script, then `count` of few letters.

    Args:
        count: of texts of each kind.
        excluded: Unicode categories without a character in the texts.
        letters: characters of the texts of the second kind.
    """
    rng = random.Random(0)
    known = [
        letter
        for letter in map(chr, range(0x20000))
        if unicodedata.category(letter) not in excluded
    ]
    texts = ["".join(rng.choices(known, k=rng.randrange(1, 60))) for _ in range(count)]
    return texts + ["".join(rng.choices(letters, k=rng.randrange(1, 60))) for _ in range(count)]
