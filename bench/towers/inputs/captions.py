"""Texts as people write them: the captions of the demo's drawings, and plain sentences.

With OpenAI's vocabulary the captions have 3 to 6 tokens, marks included, the sentences 10 to 17;
`caption_lengths` in results/towers.json says how many texts have how many.
"""

from collections import Counter
from collections.abc import Sequence
from itertools import product
from typing import Final

import numpy as np

from twinlens.demo.samples import bundled_drawings

WHO: Final = ("A man", "A woman", "Two children", "A brown dog", "Several people", "A small cat")
DOES: Final = ("is standing", "sits", "walks slowly", "is playing", "waits", "looks around")
WHERE: Final = (
    "in a kitchen",
    "next to a red bicycle",
    "on the beach at sunset",
    "under a large umbrella",
    "in front of a brick wall",
    "beside a table of vegetables",
)
WITH: Final = (".", ".", " with a camera.", " in the rain.")


def captions(count: int, seed: int) -> list[str]:
    """Return distinct texts, a third of them captions of drawings, in a random order."""
    random = np.random.default_rng([seed, 1])
    drawn = list(dict.fromkeys(drawing.caption for drawing in bundled_drawings()))
    spoken = sorted({f"{a} {b} {c}{d}" for a, b, c, d in product(WHO, DOES, WHERE, WITH)})
    few = min(count // 3, len(drawn))
    chosen = [
        *random.choice(drawn, few, replace=False),
        *random.choice(spoken, count - few, replace=False),
    ]
    return [str(text) for text in random.permutation(chosen)]


def lengths(rows: Sequence[Sequence[int]]) -> dict[str, int]:
    """Count the texts of each length in tokens, marks included."""
    return {str(length): n for length, n in sorted(Counter(map(len, rows)).items())}
