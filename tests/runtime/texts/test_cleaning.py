"""Cleaning of long texts: bounded, and as the whole would be cleaned."""

import html
import re
import time

import pytest

from twinlens.texts.cleaning import ENOUGH, HEADS, cleaner

ftfy = pytest.importorskip("ftfy")

MEGABYTE = 1_000_000
PARTS = {
    "line breaks": "\n",
    "Windows line breaks": "\r\n",
    "blank lines": " \t\n",
    "short lines": "a\n",
    "lines of control characters": "\x00\n",
    "entities": "&amp;",
    "lines of entities": "&\n",
    "mojibake": "\u00c3\u00a9",
    "lines of mojibake": "\u00c3\u00a9\n",
    "escapes": "\x1b[",
    "curly quotes": "\u201c",
    "white space": "\u2028\u00a0",
    "tags": "<b>\n",
    "words": "the dog ",
}


def whole(text: str) -> str:
    """Reference implementation: `basic_clean` and `whitespace_clean` of open_clip."""
    return re.sub(r"\s+", " ", html.unescape(html.unescape(ftfy.fix_text(text)))).strip()


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("clean", ["openai", "siglip"])
def test_a_megabyte_is_cleaned_in_bounded_time(clean: str, part: str) -> None:
    text = (PARTS[part] * MEGABYTE)[:MEGABYTE] + "the end"
    began = time.process_time()
    cleaner(clean)(text)  # type: ignore[arg-type]
    assert time.process_time() - began < 5


@pytest.mark.parametrize("part", PARTS)
def test_the_first_lines_are_those_of_the_whole_text_cleaned(part: str) -> None:
    text = f"caf\u00c3\u00a9 &amp;\n{PARTS[part] * (HEADS[0] // len(PARTS[part]))}\nthe end \u2026"
    found, wanted = cleaner("openai_cased")(text), whole(text)
    assert found[:ENOUGH] == wanted[:ENOUGH]
    assert wanted.startswith(found.rstrip())


@pytest.mark.parametrize("blank", ["\n", "\r\n", " \n", "\t\n"])
def test_a_text_behind_a_megabyte_of_blank_lines_is_found(blank: str) -> None:
    text = "a dog" + blank * (MEGABYTE // len(blank)) + "a cat"
    assert cleaner("openai")(text) == "a dog a cat"


def test_a_text_behind_lines_that_are_removed_is_found() -> None:
    assert cleaner("openai")("\x00\n" * HEADS[0] + "a cat") == "a cat"
