"""Damaged bundles: refused, or the same rows and probabilities as the whole one to the bit."""

import contextlib
import json
import os
import random
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bench.faults.campaign import WORK, Act, Case, ChangedAnswer
from bench.faults.inputs.bundle_folders import CHANGES, MANIFEST, differing, kind_of, linked
from twinlens.errors import TwinlensError

if TYPE_CHECKING:
    from twinlens import Model

IN_MEMORY = Path("/dev/shm")
PLACE = (IN_MEMORY / "bench-faults" if os.access(IN_MEMORY, os.W_OK) else WORK) / "bundles"
"""Folders of the copies; in memory, as on a disk the removal of one is a quarter of a case."""
TEXTS = ("a red apple", "two dogs", "an aeroplane in the sky")
LABELS = ("dog", "apple", "aeroplane")
PICTURES = ("1f34e.png", "1f436.png", "2708.png")


class Bundles:
    """Copies of the demo bundle with one or two kinds of damage."""

    name = "bundles"
    count = 10_000
    small_count = 12
    fresh = False
    refusals = (TwinlensError,)

    def environment(self) -> Mapping[str, str]:
        return {}

    def draw(self, rng: random.Random, _number: int) -> Case:
        kinds = [kind_of(rng) for _ in range(rng.choice((1, 1, 1, 1, 2)))]
        # The damage itself is drawn when the folder is made, from a seed of the case's own.
        return Case(kind=" + ".join(kinds), content=(kinds, rng.random()))

    def keep(self, case: Case, place: Path) -> None:
        place.rmdir()
        damaged(case, place)

    def opened(self) -> Act:
        master = undamaged()
        whole = json.loads((master / MANIFEST).read_bytes())
        wanted = answers(opened(master))
        place = PLACE / str(os.getpid())

        def act(case: Case) -> str:
            shutil.rmtree(place, ignore_errors=True)
            damage = damaged(case, place)
            model = opened(place)
            try:
                got = answers(model)
            except TwinlensError as error:
                return f"{type(error).__name__} after loading"
            changed = [name for name in wanted if not np.array_equal(wanted[name], got[name])]
            if not changed:
                return "the same answers"
            with contextlib.suppress(ValueError):
                damage = differing(whole, json.loads((place / MANIFEST).read_bytes())) or damage
            raise ChangedAnswer(f"{damage} changes {', '.join(changed)}")

        return act


def damaged(case: Case, place: Path) -> str:
    """Make the folder of a case; return the damaged places."""
    kinds, seed = case.content
    rng = random.Random(seed)
    linked(undamaged(), place)
    return ", ".join(CHANGES[kind][1](place, rng) for kind in kinds)


def undamaged() -> Path:
    """Return a copy of the demo bundle that may be linked to: in the build folder, made once."""
    from twinlens.loading import folder_of  # noqa: PLC0415

    copy = PLACE / "whole"
    if not copy.exists():
        draft = PLACE / f"draft-{os.getpid()}"
        shutil.copytree(folder_of("demo"), draft)
        try:
            draft.rename(copy)
        except OSError:  # another worker was first
            shutil.rmtree(draft)
    return copy


def opened(folder: Path) -> "Model":
    """Return the int8 model of a bundle."""
    import twinlens  # noqa: PLC0415  heavy

    return twinlens.load(folder, device="cpu", precision="int8", threads=1)


def answers(model: "Model") -> dict[str, NDArray[Any]]:
    """Return the answers of a model that are compared."""
    from twinlens.loading import folder_of  # noqa: PLC0415

    drawings = folder_of("demo").parent / "drawings"
    pictures = [drawings / name for name in PICTURES]
    classes = model.classify(pictures, LABELS)
    return {
        "image rows": model.embed_images(pictures),
        "text rows": model.embed_texts(TEXTS),
        "match probabilities": model.match(pictures, TEXTS),
        "class probabilities": np.asarray(classes.probabilities),
    }
