"""Mutated files give pixels or an ImageError, never another exception.

A few hundred here; `python -m bench.faults images` does as many as it is told, and looks at time
and memory.
"""

import random
import warnings

import pytest
from mutations import mutated, seeds

from twinlens.bundle.specs import ImageSpec
from twinlens.errors import ImageError
from twinlens.images.load import load
from twinlens.images.read_options import ReadOptions

SPEC = ImageSpec(side_px=16)
FILES = seeds()


@pytest.mark.parametrize("kind", FILES)
def test_a_seed_itself_is_read(kind: str) -> None:
    for mode in ("exact", "fast"):
        assert load(FILES[kind], SPEC, mode=mode).any()  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", FILES)
def test_of_a_damaged_file_come_pixels_or_an_image_error(kind: str) -> None:
    rng, others = random.Random(kind), list(FILES.values())
    outcomes = set()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's own warnings about the damage
        for number in range(20):
            content = mutated(FILES[kind], others, rng)
            read = ReadOptions(profiles=number % 2 == 0)
            try:
                pixels = load(content, SPEC, mode="fast", read=read)
                outcomes.add(pixels.shape)
            except ImageError as error:
                outcomes.add(str(error)[:5])
    assert len(outcomes) > 1  # some damage shows, some does not
