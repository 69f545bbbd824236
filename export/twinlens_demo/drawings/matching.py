"""The matching of an Iconify set's icons to concepts, by code point, country or slug."""

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from twinlens_demo.concepts import Concept, code_of, slug
from twinlens_demo.packages import DRAWINGS

NAMED_BY = ("noto", "fluent-flat", "openmoji", "twemoji")
"""Packages with a chars.json from code points to icon names; those names serve the others too."""


def matches(
    name: str,
    icons: Mapping[str, Any],
    modules: Path,
    concepts: Sequence[Concept],
    row_of: Mapping[str, int],
) -> Iterable[tuple[str, int]]:
    """Return pairs (icon name, concept number) of one set; `row_of` numbers the concepts' codes."""
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
