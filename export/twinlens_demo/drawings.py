"""The drawings: every set rasterised, matched to the concepts and kept as one array a set."""

import io
import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import resvg_py
from numpy.typing import NDArray
from PIL import Image

from twinlens_demo.concepts import Concept, code_of, slug
from twinlens_demo.sources import DRAWINGS

SIDE_PX = 72
RENDER_PX = 144
NAMED_BY = ("noto", "fluent-flat", "openmoji", "twemoji")
"""Packages whose chars.json maps code points to icon names; those names serve the others too."""


def build(modules: Path, concepts: Sequence[Concept], out: Path) -> None:
    """Write out/<set>.npz of every set.

    It holds rows, the concept numbers [N], and pixels, premultiplied RGBA as uint8 [N, 72, 72, 4].
    """
    out.mkdir(parents=True, exist_ok=True)
    with ProcessPoolExecutor() as pool:
        for name in DRAWINGS:
            target = out / f"{name}.npz"
            if target.exists():
                continue
            jobs = list(_jobs(name, modules, concepts))
            pixels = list(pool.map(_raster, (picture for _, picture in jobs), chunksize=16))
            np.savez(target, rows=np.array([row for row, _ in jobs]), pixels=np.stack(pixels))
            print(f"{name}: {len(jobs)} drawings of {len({row for row, _ in jobs})} concepts")


def _jobs(
    name: str, modules: Path, concepts: Sequence[Concept]
) -> Iterator[tuple[int, str | bytes]]:
    row_of = {concept.code: row for row, concept in enumerate(concepts)}
    folder = modules / DRAWINGS[name].package
    if name == "fluent-3d":
        # Its flags are not Microsoft's drawings: they are left out for their licence.
        for file in sorted((folder / "assets").glob("*.webp")):
            row = row_of.get(code_of(file.stem))
            if row is not None and concepts[row].group != "flags":
                yield row, file.read_bytes()
        return
    icons = json.loads((folder / "icons.json").read_text(encoding="utf-8"))
    for icon, row in _matches(name, icons, modules, concepts, row_of):
        yield row, svg_of(icons, icon)


def _matches(
    name: str,
    icons: Mapping[str, Any],
    modules: Path,
    concepts: Sequence[Concept],
    row_of: Mapping[str, int],
) -> Iterable[tuple[str, int]]:
    if name in ("flag", "circle-flags"):
        return _flag_matches(name, icons, row_of)
    if name in NAMED_BY:
        chars = json.loads((modules / DRAWINGS[name].package / "chars.json").read_text())
        codes = ((icon, code_of(point)) for point, icon in chars.items())
        return {
            row_of[code]: (icon, row_of[code]) for icon, code in codes if code in row_of
        }.values()
    return _slug_matches(name, icons, _rows_by_slug(modules, concepts, row_of))


def _flag_matches(
    name: str, icons: Mapping[str, Any], row_of: Mapping[str, int]
) -> Iterator[tuple[str, int]]:
    for icon in [*icons["icons"], *icons.get("aliases", {})]:
        country = icon.removesuffix("-4x3") if name == "flag" else icon
        if re.fullmatch("[a-z]{2}", country):
            code = "-".join(f"{0x1F1E6 + ord(letter) - ord('a'):x}" for letter in country)
            if code in row_of:
                yield icon, row_of[code]


def _rows_by_slug(
    modules: Path, concepts: Sequence[Concept], row_of: Mapping[str, int]
) -> dict[str, int]:
    rows: dict[str, int] = {}
    for row, concept in enumerate(concepts):
        for name in concept.names:
            rows.setdefault(slug(name), row)
            rows.setdefault(slug(name).replace("-", ""), row)
    for package in NAMED_BY:
        chars = json.loads((modules / DRAWINGS[package].package / "chars.json").read_text())
        for point, icon in chars.items():
            found = row_of.get(code_of(point))
            if found is not None:
                rows.setdefault(icon, found)
                rows.setdefault(icon.replace("-", ""), found)
    for file in sorted((modules / "emojibase-data/en/shortcodes").glob("*.json")):
        for point, codes in json.loads(file.read_text(encoding="utf-8")).items():
            found = row_of.get(code_of(point))
            for shortcode in [codes] if isinstance(codes, str) else codes:
                if found is not None:
                    rows.setdefault(re.sub(r"[^a-z0-9]", "", shortcode.lower()), found)
    return rows


def _slug_matches(
    name: str, icons: Mapping[str, Any], rows: Mapping[str, int]
) -> Iterator[tuple[str, int]]:
    several = name == "streamline"
    found: dict[int, list[str]] = defaultdict(list)
    for icon in [*icons["icons"], *icons.get("aliases", {})]:
        row = rows.get(re.sub("^flag-for-(flag-)?", "flag-of-", icon))
        if row is None and several:
            row = rows.get(re.sub(r"-\d+$", "", icon))
        if row is not None:
            found[row].append(icon)
    for row, names in sorted(found.items()):
        for icon in names if several else names[:1]:
            yield icon, row


def svg_of(icons: Mapping[str, Any], name: str) -> str:
    """The SVG document of one icon of an Iconify set."""
    icon, flip = _resolve(icons, name)
    left, top = icon.get("left", 0), icon.get("top", 0)
    width = icon.get("width", icons.get("width", 16))
    height = icon.get("height", icons.get("height", 16))
    body = icon["body"].replace("currentColor", "#222")
    if flip:
        body = f'<g transform="translate({2 * left + width} 0) scale(-1 1)">{body}</g>'
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        f'width="{width}" height="{height}" viewBox="{left} {top} {width} {height}">{body}</svg>'
    )


def _resolve(icons: Mapping[str, Any], name: str) -> tuple[Mapping[str, Any], bool]:
    flip = False
    while name not in icons["icons"]:
        alias = icons["aliases"][name]
        flip ^= bool(alias.get("hFlip"))
        name = alias["parent"]
    return icons["icons"][name], flip


def _raster(picture: str | bytes) -> NDArray[np.uint8]:
    if isinstance(picture, str):
        picture = bytes(
            resvg_py.svg_to_bytes(svg_string=picture, width=RENDER_PX, skip_system_fonts=True)
        )
    image = Image.open(io.BytesIO(picture)).convert("RGBA")
    box = image.getchannel("A").point(lambda alpha: 255 * (alpha > 8)).getbbox()
    if box is not None:
        image = image.crop(box)
    side = max(image.size)
    square = Image.new("RGBA", (side, side))
    square.paste(image, ((side - image.width) // 2, (side - image.height) // 2))
    premultiplied = square.convert("RGBa").resize((SIDE_PX, SIDE_PX), Image.Resampling.LANCZOS)
    return np.asarray(premultiplied)
