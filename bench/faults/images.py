"""Damaged pictures: pixels or an ImageError."""

import io
import os
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.faults.campaign import WORK, Act, Case
from bench.faults.inputs.picture_files import drawn, prepare
from twinlens.bundle.specs import ImageSpec
from twinlens.errors import ImageError
from twinlens.images.load import load
from twinlens.images.read_options import ReadOptions

SPECS = (
    ImageSpec(side_px=32),
    ImageSpec(side_px=8),
    ImageSpec(side_px=32, resize="squash"),
    ImageSpec(side_px=32, resize="pad"),
)
WAYS = ("bytes", "path", "file", "bytes")


class Images:
    """Files with one to four kinds of damage, and files made to cost much."""

    name = "images"
    count = 10_000
    small_count = 23
    fresh = False
    refusals = (ImageError,)

    def environment(self) -> Mapping[str, str]:
        return {}

    def draw(self, rng: random.Random, number: int) -> Case:
        kind, content = drawn(rng, number)
        way, mode = WAYS[number % len(WAYS)], ("exact", "fast")[number % 2]
        choices = (way, mode, SPECS[number % 3 + number % 2], number % 3 == 0)
        return Case(kind=kind, detail=f"{mode}, by {way}", content=(content, choices))

    def keep(self, case: Case, place: Path) -> None:
        (place / "picture").write_bytes(case.content[0])

    def opened(self) -> Act:
        prepare()
        place = WORK / "images" / str(os.getpid())
        place.parent.mkdir(parents=True, exist_ok=True)

        def act(case: Case) -> str:
            content, (way, mode, spec, profiles) = case.content
            given: Any = content if way == "bytes" else io.BytesIO(content)
            if way == "path":
                place.write_bytes(content)
                given = place
            load(given, spec, mode=mode, read=ReadOptions(profiles=profiles))
            return "pixels"

        return act
