"""The concepts: every emoji without its skin tones, with its names, its keywords and its split."""

import hashlib
import json
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HELD_OUT_EVERY = 10
"""One concept in ten, spread over the subgroups, is never trained on: no drawing, no caption."""

GROUPS: Mapping[str, tuple[str, ...]] = {
    "smileys-emotion": ("smiley", "emotion"),
    "people-body": ("person", "people"),
    "animals-nature": ("nature",),
    "food-drink": ("food or drink",),
    "travel-places": ("travel", "place"),
    "activities": ("activity",),
    "objects": ("object",),
    "symbols": ("symbol", "sign"),
    "flags": ("flag",),
}

SUBGROUPS: Mapping[str, tuple[str, ...]] = {
    "face-smiling": ("face", "happy face", "smiling face"),
    "face-affection": ("face", "loving face", "affection"),
    "face-tongue": ("face", "face with tongue"),
    "face-hand": ("face", "face with hand"),
    "face-neutral-skeptical": ("face", "skeptical face", "neutral face"),
    "face-sleepy": ("face", "sleepy face", "tired face"),
    "face-unwell": ("face", "sick face", "unwell face"),
    "face-hat": ("face", "face with hat"),
    "face-glasses": ("face", "face with glasses"),
    "face-concerned": ("face", "sad face", "worried face"),
    "face-negative": ("face", "angry face"),
    "face-costume": ("face", "costume", "mask"),
    "cat-face": ("cat", "cat face", "animal face"),
    "monkey-face": ("monkey", "monkey face", "animal face"),
    "heart": ("heart", "love"),
    "emotion": ("emotion",),
    "hand-fingers-open": ("hand", "open hand", "gesture"),
    "hand-fingers-partial": ("hand", "gesture", "fingers"),
    "hand-single-finger": ("hand", "finger", "pointing"),
    "hand-fingers-closed": ("hand", "fist"),
    "hands": ("hands", "gesture"),
    "hand-prop": ("hand", "hand holding something"),
    "body-parts": ("body part",),
    "person": ("person", "human"),
    "person-gesture": ("person", "gesture"),
    "person-role": ("person", "job", "worker", "profession"),
    "person-fantasy": ("fantasy creature", "fairy tale"),
    "person-activity": ("person", "activity"),
    "person-sport": ("person", "sport", "athlete"),
    "person-resting": ("person", "resting"),
    "family": ("family", "people"),
    "person-symbol": ("person symbol", "people"),
    "animal-mammal": ("animal", "mammal", "beast"),
    "animal-bird": ("animal", "bird"),
    "animal-amphibian": ("animal", "amphibian"),
    "animal-reptile": ("animal", "reptile"),
    "animal-marine": ("animal", "sea creature", "fish", "marine animal"),
    "animal-bug": ("animal", "insect", "bug", "small insect"),
    "plant-flower": ("plant", "flower"),
    "plant-other": ("plant",),
    "food-fruit": ("food", "fruit"),
    "food-vegetable": ("food", "vegetable"),
    "food-prepared": ("food", "meal", "something to eat"),
    "food-asian": ("food", "asian food", "something to eat"),
    "food-marine": ("food", "seafood"),
    "food-sweet": ("food", "dessert", "sweet", "something sweet"),
    "drink": ("drink", "beverage", "something to drink"),
    "dishware": ("dishware", "kitchen", "tableware"),
    "place-map": ("map", "place"),
    "place-geographic": ("landscape", "place", "nature"),
    "place-building": ("building", "place"),
    "place-religious": ("building", "religious building", "place of worship"),
    "place-other": ("place", "scene"),
    "transport-ground": ("vehicle", "transport", "vehicle with wheels", "land vehicle"),
    "transport-water": ("vehicle", "ship", "boat", "watercraft"),
    "transport-air": ("vehicle", "aircraft", "flying machine"),
    "hotel": ("hotel",),
    "time": ("clock", "time"),
    "sky-weather": ("weather", "sky"),
    "event": ("celebration", "event", "party"),
    "award-medal": ("award", "medal", "prize"),
    "sport": ("sport", "sports equipment"),
    "game": ("game", "toy"),
    "arts-crafts": ("art", "craft"),
    "clothing": ("clothing", "clothes", "something to wear"),
    "sound": ("sound",),
    "music": ("music",),
    "musical-instrument": ("musical instrument", "music"),
    "phone": ("phone",),
    "computer": ("computer", "electronics"),
    "light-video": ("light", "camera", "video"),
    "book-paper": ("book", "paper"),
    "money": ("money", "finance"),
    "mail": ("mail", "post"),
    "writing": ("writing", "writing tool", "something to write with"),
    "office": ("office", "stationery"),
    "lock": ("lock", "security"),
    "tool": ("tool",),
    "science": ("science", "laboratory"),
    "medical": ("medicine", "medical"),
    "household": ("household", "household item"),
    "other-object": ("object",),
    "transport-sign": ("sign", "public sign"),
    "warning": ("warning sign", "prohibition sign"),
    "arrow": ("arrow",),
    "religion": ("religious symbol", "religion"),
    "zodiac": ("zodiac sign", "star sign"),
    "av-symbol": ("button", "media button"),
    "gender": ("gender symbol",),
    "math": ("math symbol",),
    "punctuation": ("punctuation mark",),
    "currency": ("currency",),
    "other-symbol": ("symbol",),
    "keycap": ("number", "keycap", "digit"),
    "alphanum": ("letters", "button"),
    "geometric": ("shape", "geometric shape"),
    "flag": ("flag",),
    "country-flag": ("flag", "country", "national flag"),
    "subdivision-flag": ("flag", "regional flag"),
}
"""What a plain speaker would call the members of each Unicode subgroup."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Concept:
    """One emoji, whoever draws it."""

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
        """Words for the sort of thing this is: "animal", "something to drink"."""
        return tuple(dict.fromkeys(SUBGROUPS.get(self.subgroup, ()) + GROUPS[self.group]))

    @property
    def emoji(self) -> str:
        """The character itself."""
        return "".join(chr(int(point, 16)) for point in self.code.split("-"))


def code_of(text: str) -> str:
    """The code of a hex sequence such as '1F44B-FE0F'."""
    points = text.lower().replace("_", "-").split("-")
    return "-".join(point.lstrip("0").rjust(4, "0") for point in points if point != "fe0f")


def slug(name: str) -> str:
    """The name in lower case, its words joined by '-'."""
    ascii_name = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", ascii_name.replace("&", " and ")).strip("-")


def read_concepts(modules: Path) -> list[Concept]:
    """Every concept of emojibase-data, in Unicode's order."""
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
    return [
        Concept(
            code=c.code,
            names=c.names,
            keywords=c.keywords,
            group=c.group,
            subgroup=c.subgroup,
            held_out=c.code in held,
        )
        for c in concepts
    ]


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
