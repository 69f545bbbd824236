"""Damaged tars, tables and folders with captions: items, or an error of ours."""

import importlib
import os
import random
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, TypeVar

from bench.faults.campaign import WORK, Act, Case, ChangedAnswer
from bench.faults.inputs import dataset_files as files
from twinlens.datasets.read_images import read_images
from twinlens.datasets.read_pairs import read_pairs
from twinlens.errors import DatasetError, ImageError, PairsError

T = TypeVar("T")

REFUSALS: Final = (DatasetError, PairsError, ImageError)


class Tables:
    """Datasets with one kind of damage each, through `read_images` and `read_pairs`."""

    name = "tables"
    count = 5_000
    small_count = 18
    fresh = False
    refusals = REFUSALS

    def environment(self) -> Mapping[str, str]:
        return {}

    def draw(self, rng: random.Random, number: int) -> Case:
        kind = list(DRAWN)[number % len(DRAWN)]
        return DRAWN[kind](kind, rng)

    def keep(self, case: Case, place: Path) -> None:
        written(case, place)

    def opened(self) -> Act:
        importlib.import_module("pyarrow.parquet")  # in no case's time
        place = WORK / "tables" / str(os.getpid())

        def act(case: Case) -> str:
            shutil.rmtree(place, ignore_errors=True)
            place.mkdir(parents=True)
            target = written(case, place)
            images = ending(lambda: [(item.name, item.image) for item in read_images(target)])
            pairs = ending(lambda: read_pairs(target))
            if isinstance(images, list):
                require_all(images, case)
            return f"images: {told(images)}, pairs: {told(pairs)}"

        return act


def ending(read: Callable[[], T]) -> T | Exception:
    """Return the items, or the error that is a right answer."""
    try:
        return read()
    except REFUSALS as error:
        return error


def told(found: object) -> str:
    return type(found).__name__ if isinstance(found, Exception) else "items"


def require_all(images: list[tuple[str, Any]], case: Case) -> None:
    """Refuse a reading without an error that lost items, where a checksum tells of the damage.

    One flipped bit of a header or of a packed file can always be found out.
    """
    wanted = case.content.get("wanted")
    if wanted is None:
        return
    if any(isinstance(image, ImageError) for _, image in images):
        return
    kept = [any(n.endswith(name) and i == c for n, i in images) for name, c in wanted.items()]
    if not all(kept) or len(images) != len(wanted):
        raise ChangedAnswer(f"{case.kind}: items lost or changed without an error")


def written(case: Case, place: Path) -> Path:
    """Write the dataset of a case into a folder; return the path to read."""
    facts = case.content
    if facts.get("beside"):
        files.beside(place, captions=facts.get("captions", False))
    if "entry" in facts:
        files.hostile_entry(place, random.Random(facts["entry"]))
        return place
    path = place / facts["file"]
    path.write_bytes(facts["bytes"])
    return place if facts["file"].startswith("captions") else path


def _tar_bytes(kind: str, rng: random.Random) -> Case:
    tar = files.tar(*files.TARS[rng.choice(list(files.TARS))])
    return Case(kind=kind, content={"file": "a.tar", "bytes": files.byte_damage(tar, rng)})


def _tar_field(kind: str, rng: random.Random) -> Case:
    tar_format = rng.choice(list(files.TARS))
    field, content = files.with_field(files.tar(*files.TARS[tar_format]), rng)
    return Case(
        kind=kind, detail=f"{tar_format} {field}", content={"file": "a.tar", "bytes": content}
    )


def _tar_header_bit(kind: str, rng: random.Random) -> Case:
    tar_format = rng.choice(list(files.TARS))
    tar = files.tar(*files.TARS[tar_format])
    at = rng.choice(files.headers(tar))
    content = files.flipped(tar, rng, at, at + files.TAR_BLOCK)
    wanted = files.members_of(tar_format)
    return Case(
        kind=kind, detail=tar_format, content={"file": "a.tar", "bytes": content, "wanted": wanted}
    )


def _packed(kind: str, rng: random.Random) -> Case:
    packer = rng.choice(list(files.PACKERS))
    content = files.PACKERS[packer](files.tar(*files.TARS["ustar"]))
    facts: dict[str, Any] = {"file": f"a.tar.{packer}"}
    if rng.random() < 0.5:
        # The header of gzip has fields that say nothing of the content; the rest is summed.
        facts["bytes"] = files.flipped(content, rng, 10, len(content))
        facts["wanted"] = files.members_of("ustar")
        return Case(kind=f"{kind}, one bit", detail=packer, content=facts)
    return Case(
        kind=kind, detail=packer, content=facts | {"bytes": files.byte_damage(content, rng)}
    )


def _parquet(kind: str, rng: random.Random) -> Case:
    cells, packed = (
        rng.choice(("bytes", "structs", "paths")),
        rng.choice(("none", "snappy", "zstd")),
    )
    content = files.byte_damage(files.parquet(cells, packed), rng)
    facts = {"file": "a.parquet", "bytes": content, "beside": True}
    return Case(kind=kind, detail=f"{cells}, {packed}", content=facts)


def _table_bytes(kind: str, rng: random.Random) -> Case:
    suffix, delimiter = rng.choice(((".csv", ","), (".tsv", "\t")))
    content = files.byte_damage(files.table(delimiter).encode(), rng)
    return Case(kind=kind, content={"file": f"a{suffix}", "bytes": content, "beside": True})


def _table_cells(kind: str, rng: random.Random) -> Case:
    name, delimiter = rng.choice((("a.csv", ","), ("a.tsv", "\t"), ("captions.csv", ",")))
    content = files.hostile_table(delimiter, rng)
    return Case(kind=kind, detail=name, content={"file": name, "bytes": content, "beside": True})


def _listing(kind: str, rng: random.Random) -> Case:
    content = files.hostile_listing(rng)
    if rng.random() < 0.5:
        content = files.byte_damage(content, rng)
    return Case(kind=kind, content={"file": "captions.txt", "bytes": content, "beside": True})


def _folder(kind: str, rng: random.Random) -> Case:
    return Case(kind=kind, content={"entry": rng.random(), "beside": True, "captions": True})


DRAWN: Final = {
    "tar bytes": _tar_bytes,
    "tar field": _tar_field,
    "tar header bit": _tar_header_bit,
    "packed tar": _packed,
    "parquet": _parquet,
    "table bytes": _table_bytes,
    "table cells": _table_cells,
    "captions.txt": _listing,
    "folder": _folder,
}
