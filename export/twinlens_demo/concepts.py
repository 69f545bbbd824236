"""The concepts: every emoji without its skin tones, with names, keywords and split."""

import hashlib
import json
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from twinlens_demo.kinds import GROUPS, SUBGROUPS

HELD_OUT_EVERY = 10
"""One concept in ten, spread over the subgroups, is never trained on: no drawing, no caption."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Concept:
    """One emoji, independent of the drawing set."""

    code: str
    """Code points in lower-case hex, joined by '-', without the variation selector FE0F."""
    names: tuple[str, ...]
    """Most canonical first."""
    keywords: tuple[str, ...]
    group: str
    subgroup: str
    held_out: bool

    @property
    def kinds(self) -> tuple[str, ...]:
        """Words for its kind: "animal", "something to drink"."""
        return tuple(dict.fromkeys(SUBGROUPS.get(self.subgroup, ()) + GROUPS[self.group]))

    @property
    def emoji(self) -> str:
        """The character itself."""
        return "".join(chr(int(point, 16)) for point in self.code.split("-"))


def class_of(concept: Concept) -> str | None:
    """Return the zero-shot class of a concept; None: it has none."""
    if concept.subgroup.startswith("face-"):
        return "face"
    if concept.subgroup.startswith("animal-"):
        return "animal"
    if concept.subgroup.startswith("food-"):
        return "food"
    if concept.subgroup in ("transport-ground", "transport-water", "transport-air"):
        return "vehicle"
    return "flag" if concept.group == "flags" else None


def code_of(text: str) -> str:
    """Return the code of a hex sequence such as '1F44B-FE0F'."""
    points = text.lower().replace("_", "-").split("-")
    return "-".join(point.lstrip("0").rjust(4, "0") for point in points if point != "fe0f")


def slug(name: str) -> str:
    """Return the name in lower case, its words joined by '-'."""
    ascii_name = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", ascii_name.replace("&", " and ")).strip("-")


def read_concepts(modules: Path) -> list[Concept]:
    """Read every concept of emojibase-data, in Unicode's order."""
    entries = _json(modules / "emojibase-data/en/data.json")
    messages = _json(modules / "emojibase-data/en/messages.json")
    groups = {row["order"]: row["key"] for row in messages["groups"]}
    subgroups = {row["order"]: row["key"] for row in messages["subgroups"]}
    cldr = _cldr(modules)
    lib = _json(modules / "emojilib/dist/emoji-en-US.json")
    lib = {_bare(emoji): words for emoji, words in lib.items()}
    rows = [e for e in entries if groups.get(e.get("group")) not in (None, "component")]
    drafts = []
    for entry in sorted(rows, key=lambda row: row["order"]):
        emoji = _bare(entry["emoji"])
        tts, default = cldr.get(emoji, ([], []))
        lib_words = [word.replace("_", " ") for word in lib.get(emoji, [])]
        names = _names(entry["label"], tts, emoji, lib_words[:1])
        keywords = _words([*default, *entry.get("tags", []), *lib_words[1:]])
        drafts.append(
            Concept(
                code=code_of(entry["hexcode"]),
                names=names,
                keywords=tuple(word for word in keywords if word not in names),
                group=groups[entry["group"]],
                subgroup=subgroups[entry["subgroup"]],
                held_out=False,
            )
        )
    return _split(drafts)


def _split(concepts: Sequence[Concept]) -> list[Concept]:
    def key(concept: Concept) -> tuple[str, str]:
        return concept.subgroup, hashlib.sha1(
            f"v1{concept.code}".encode(), usedforsecurity=False
        ).hexdigest()

    held = {c.code for c in sorted(concepts, key=key)[HELD_OUT_EVERY - 1 :: HELD_OUT_EVERY]}
    return [replace(concept, held_out=concept.code in held) for concept in concepts]


def _names(label: str, tts: Iterable[str], emoji: str, others: Iterable[str]) -> tuple[str, ...]:
    names = [label, *tts]
    if len(emoji) == 1:
        names.append(unicodedata.name(emoji, "").lower())
    names.extend(others)
    plain: list[str] = []
    for name in names:
        if name.startswith("flag: "):
            place = name.removeprefix("flag: ")
            plain += [f"flag of {place}", f"{place} flag"]
        elif name.startswith("keycap: "):
            plain += [f"keycap {name.removeprefix('keycap: ')}"]
        else:
            plain.append(name.replace(":", ""))
    return tuple(dict.fromkeys(name.strip() for name in plain if name.strip()))


def _words(words: Iterable[str]) -> list[str]:
    kept = (re.sub(r"\s+", " ", word.lower().replace("_", " ")).strip() for word in words)
    return list(dict.fromkeys(w for w in kept if re.fullmatch(r"[a-z0-9][a-z0-9 '\-]+", w)))


def _cldr(modules: Path) -> dict[str, tuple[list[str], list[str]]]:
    found: dict[str, tuple[list[str], list[str]]] = {}
    for package, key in (
        ("cldr-annotations-derived-full/annotationsDerived", "annotationsDerived"),
        ("cldr-annotations-full/annotations", "annotations"),
    ):
        rows = _json(modules / package / "en/annotations.json")[key]["annotations"]
        for emoji, row in rows.items():
            found[_bare(emoji)] = (row.get("tts", []), row.get("default", []))
    return found


def _bare(emoji: str) -> str:
    return emoji.replace("\ufe0f", "")


def _json(path: Path) -> Any:  # noqa: ANN401  JSON
    return json.loads(path.read_text(encoding="utf-8"))
