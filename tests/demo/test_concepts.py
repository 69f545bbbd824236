"""The concepts: read from small JSON, and split in a fixed way."""

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from twinlens_demo.concepts import (
    HELD_OUT_EVERY,
    Concept,
    _names,
    _split,
    _words,
    class_of,
    code_of,
    read_concepts,
    slug,
)

SUBGROUPS = ("face-smiling", "animal-bird", "food-fruit")


def drafts(each: int) -> list[Concept]:
    return [
        Concept(
            code=f"{0x1F000 + number:x}",
            names=(f"thing {number}",),
            keywords=(),
            group="objects",
            subgroup=SUBGROUPS[number % len(SUBGROUPS)],
            held_out=False,
        )
        for number in range(each * len(SUBGROUPS))
    ]


def held_out(concepts: list[Concept]) -> set[str]:
    return {concept.code for concept in concepts if concept.held_out}


def test_one_concept_in_ten_is_held_out_of_every_subgroup() -> None:
    concepts = _split(drafts(40))
    counts = Counter(concept.subgroup for concept in concepts if concept.held_out)
    assert counts == dict.fromkeys(SUBGROUPS, 40 // HELD_OUT_EVERY)


def test_the_split_does_not_depend_on_the_order() -> None:
    forward = drafts(40)
    assert held_out(_split(forward)) == held_out(_split(forward[::-1]))
    assert [concept.code for concept in _split(forward)] == [c.code for c in forward]


def test_the_split_is_the_one_of_the_first_release() -> None:
    assert held_out(_split(drafts(10))) == {"1f014", "1f015", "1f019"}


@pytest.mark.parametrize(
    ("subgroup", "group", "name"),
    [
        ("face-smiling", "smileys-emotion", "face"),
        ("animal-bird", "animals-nature", "animal"),
        ("food-fruit", "food-drink", "food"),
        ("transport-air", "travel-places", "vehicle"),
        ("country-flag", "flags", "flag"),
        ("transport-sign", "symbols", None),
        ("cat-face", "smileys-emotion", None),
    ],
)
def test_a_class_belongs_to_a_subgroup(subgroup: str, group: str, name: str | None) -> None:
    assert class_of(replace(drafts(1)[0], subgroup=subgroup, group=group)) == name


@pytest.mark.parametrize(
    ("text", "code"),
    [("1F44B-FE0F", "1f44b"), ("1F1E6_1F1E8", "1f1e6-1f1e8"), ("00A9-fe0f", "00a9")],
)
def test_a_code_is_lower_hex_without_the_variation_selector(text: str, code: str) -> None:
    assert code_of(text) == code


def test_a_slug_is_ascii_words() -> None:
    assert slug("Flag: Côte d'Ivoire & co.") == "flag-cote-d-ivoire-and-co"


def test_names_are_plain_and_each_once() -> None:
    assert _names("flag: Japan", ["Japan flag"], "🇯🇵", []) == ("flag of Japan", "Japan flag")
    assert _names("keycap: 3", [], "3⃣", []) == ("keycap 3",)
    assert _names("pizza", ["pizza"], "🍕", ["slice"]) == ("pizza", "slice of pizza", "slice")


def test_keywords_are_plain_english_words() -> None:
    assert _words(["Red", "red", "a", "ice_cream", ":)", "crème", "t-shirt  big"]) == [
        "red",
        "ice cream",
        "t-shirt big",
    ]


@pytest.fixture
def modules(tmp_path: Path) -> Path:
    """The files of the packages, for a handful of emoji."""

    def write(name: str, content: Any) -> None:  # noqa: ANN401  JSON
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content), encoding="utf-8")

    def entry(emoji: str, label: str, **more: Any) -> dict[str, Any]:  # noqa: ANN401  JSON
        code = "-".join(f"{ord(letter):X}" for letter in emoji)
        return {"emoji": emoji, "label": label, "hexcode": code, "group": 0, **more}

    write(
        "emojibase-data/en/data.json",
        [
            entry("🍎", "red apple", order=2, subgroup=0, tags=["fruit", "red apple"]),
            entry("❤️", "red heart", order=1, subgroup=1),
            entry("🏽", "medium skin tone", order=3, subgroup=0) | {"group": 1},
            {"emoji": "🇦", "label": "regional indicator A", "hexcode": "1F1E6"},
        ],
    )
    write(
        "emojibase-data/en/messages.json",
        {
            "groups": [{"order": 0, "key": "food-drink"}, {"order": 1, "key": "component"}],
            "subgroups": [{"order": 0, "key": "food-fruit"}, {"order": 1, "key": "heart"}],
        },
    )
    for package, key in (
        ("cldr-annotations-full/annotations", "annotations"),
        ("cldr-annotations-derived-full/annotationsDerived", "annotationsDerived"),
    ):
        rows = {"❤": {"tts": ["heart of red"], "default": ["love"]}} if key == "annotations" else {}
        write(f"{package}/en/annotations.json", {key: {"annotations": rows}})
    write("emojilib/dist/emoji-en-US.json", {"❤️": ["red_heart", "valentine"], "🍎": []})
    return tmp_path


def test_concepts_come_in_unicodes_order_without_components(modules: Path) -> None:
    heart, apple = read_concepts(modules)
    assert (heart.code, apple.code) == ("2764", "1f34e")
    assert heart.names == ("red heart", "heart of red", "heavy black heart")
    assert heart.keywords == ("love", "valentine")
    assert apple.keywords == ("fruit",)
    assert apple.kinds == ("food", "fruit", "food or drink")
    assert apple.emoji == "🍎"
