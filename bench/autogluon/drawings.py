"""Drawings by a hand that the demo model never saw, as files, and their names."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np

from bench.autogluon.items import Items
from twinlens_demo.concepts import read_concepts
from twinlens_demo.drawings.drawing_set import identical_drawings, read_drawing_set

SOURCE: Final = "twemoji"


JUDGED: Final = 500
"""Concepts whose pairs are judged, each with a right and with a wrong name."""


def _judged(unseen: Sequence[bool]) -> list[int]:
    """Return the places of all unseen concepts and of the first of the others."""
    places = np.flatnonzero(unseen).tolist()
    others = np.flatnonzero(~np.asarray(unseen)).tolist()
    return sorted([*places, *others[: JUDGED - len(places)]])


def write_items(work: Path, folder: Path, *, judged: bool) -> Items:
    """Write the drawings as PNG files, and the items beside them."""
    concepts = read_concepts(work / "node_modules")
    drawn = read_drawing_set(work / "drawings", SOURCE)
    names = [concepts[row].names[0] for row in drawn.rows]
    same = np.array(names)[:, None] == np.array(names)[None, :]
    wrong = ~(same | identical_drawings(drawn.pixels))
    random = np.random.default_rng(0).random(wrong.shape)
    places = np.where(wrong, random, -np.inf).argmax(axis=1)
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{number:04}.png" for number in range(len(names))]
    for path, picture in zip(paths, drawn.images(), strict=True):
        picture.convert("RGB").save(path)
    items = Items(
        images=list(map(str, paths)),
        texts=names,
        wrong=[names[place] for place in places],
        unseen=[concepts[row].held_out for row in drawn.rows],
        judged=_judged([concepts[row].held_out for row in drawn.rows]) if judged else [],
    )
    items.write(folder)
    return items
