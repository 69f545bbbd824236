"""Token ids, truncation and cleaning."""

import logging
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer as RawTokenizer
from tokenizers.processors import TemplateProcessing

from twinlens.bundle.specs import TextSpec
from twinlens.errors import TextError
from twinlens.texts.cleaning import cleaner
from twinlens.texts.tokenizer import HEAD_CHARACTERS, Tokenizer

CONTEXT = 12

LONG = {
    "words": "the dog and ",
    "characters": "a",
    "digits": "7",
    "emoji": "🐕",
    "white space, then a word": " \n\t",
    "separators that are no white space": "a\x1c b\x85",
    "accents to compose": "e\u0301",
    "characters that grow in lower case": "İ",
    "special tokens": "<|endoftext|>",
    "Chinese": "狗",
    "a word in parts": "ing",
}
"""Repeated part of a long text."""


@pytest.fixture(scope="session")
def spec(clip_tokenizer: RawTokenizer) -> TextSpec:
    end = clip_tokenizer.token_to_id("<|endoftext|>")
    return TextSpec(context=CONTEXT, end_id=end, pad_id=end, trim=True)


@pytest.fixture(scope="session")
def path(clip_tokenizer: RawTokenizer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tokenizer") / "tokenizer.json"
    path.write_text(clip_tokenizer.to_str(), encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def tokenizer(path: Path, spec: TextSpec) -> Tokenizer:
    return Tokenizer(path, spec)


@pytest.fixture(scope="session")
def start(clip_tokenizer: RawTokenizer) -> int:
    return int(clip_tokenizer.token_to_id("<|startoftext|>"))


@given(texts=st.lists(st.text(), max_size=4))
def test_any_text_starts_ends_and_fits(
    tokenizer: Tokenizer, spec: TextSpec, start: int, texts: list[str]
) -> None:
    for row in tokenizer.encode_ragged(texts):
        assert row[0] == start
        assert row[-1] == spec.end_id
        assert len(row) <= CONTEXT
        assert spec.end_id not in row[:-1]


def test_a_batch_is_as_long_as_its_longest_text(tokenizer: Tokenizer, spec: TextSpec) -> None:
    ids = tokenizer.encode(["dog", "the dog and the dog", ""])
    assert (ids.shape, ids.dtype) == ((3, 7), np.int64)
    assert (ids == spec.end_id).sum(axis=1).tolist() == [5, 1, 6]


def test_a_tower_that_is_not_causal_gets_the_whole_context(path: Path, spec: TextSpec) -> None:
    full = Tokenizer(path, replace(spec, trim=False, pad_id=7))
    ids = full.encode(["dog"])
    assert ids.shape == (1, CONTEXT)
    assert ids[0, 3:].tolist() == [7] * (CONTEXT - 3)
    assert full.encode([]).shape == (0, CONTEXT)


def test_no_texts_make_an_empty_batch(tokenizer: Tokenizer) -> None:
    assert tokenizer.encode([]).shape == (0, 2)
    assert tokenizer.encode_ragged([]) == []


def test_the_end_survives_truncation(tokenizer: Tokenizer, spec: TextSpec) -> None:
    ids = tokenizer.encode(["the dog " * 50])
    assert ids.shape == (1, CONTEXT)
    assert ids[0, -1] == spec.end_id


def test_a_text_encodes_the_same_in_any_company(tokenizer: Tokenizer) -> None:
    texts = ["a dog", "", "the dog " * 5000, "狗", "and"]
    assert tokenizer.encode_ragged(texts) == [tokenizer.encode_ragged([t])[0] for t in texts]


@pytest.mark.parametrize("special", ["<|endoftext|>", "<|startoftext|>", "<|EndOfText|>"])
def test_a_special_token_inside_a_text_stays_text(
    tokenizer: Tokenizer, spec: TextSpec, start: int, special: str
) -> None:
    (row,) = Tokenizer.encode_ragged(tokenizer, [f"a{special}b"])
    assert len(row) == CONTEXT  # the characters of the special token, one by one
    assert not {spec.end_id, start} & set(row[1:-1])


@pytest.mark.parametrize("kind", LONG)
def test_a_long_text_gets_the_ids_it_would_get_as_a_whole(
    tokenizer: Tokenizer, clip_tokenizer: RawTokenizer, kind: str
) -> None:
    text = LONG[kind] * (3 * HEAD_CHARACTERS) + "dog"
    raw = RawTokenizer.from_str(clip_tokenizer.to_str())
    raw.encode_special_tokens = True
    ids = raw.encode(text).ids
    wanted = ids if len(ids) <= CONTEXT else [*ids[: CONTEXT - 1], ids[-1]]
    assert tokenizer.encode_ragged([text]) == [wanted]


def test_only_the_start_of_megabytes_is_tokenized(tokenizer: Tokenizer) -> None:
    began = time.perf_counter()
    tokenizer.encode(["the dog and " * 1_000_000])
    assert time.perf_counter() - began < 1


@pytest.mark.parametrize("thing", [None, 7, b"dog", ["dog"], 1.5])
def test_what_is_no_string_is_named_by_its_index(tokenizer: Tokenizer, thing: object) -> None:
    with pytest.raises(TextError, match=rf"text 1 is a {type(thing).__name__}, not a string"):
        tokenizer.encode(["dog", thing])  # type: ignore[list-item]


def test_a_lone_surrogate_is_named_by_its_place(tokenizer: Tokenizer) -> None:
    with pytest.raises(TextError, match=r"text 0 holds a lone surrogate at character 2; decode it"):
        tokenizer.encode(["ab\ud800"])


@pytest.mark.parametrize("content", ["", "{}", "hello", '{"model": 1}'])
def test_a_file_that_is_no_tokenizer_is_refused(
    tmp_path: Path, spec: TextSpec, content: str
) -> None:
    path = tmp_path / "tokenizer.json"
    path.write_text(content)
    with pytest.raises(TextError, match=r"tokenizer\.json is not a tokenizer: .*export the bundle"):
        Tokenizer(path, spec)
    with pytest.raises(TextError, match="is not a tokenizer"):
        Tokenizer(tmp_path / "nowhere.json", spec)


def test_a_tokenizer_with_another_end_is_refused(path: Path, spec: TextSpec) -> None:
    with pytest.raises(
        TextError, match=rf"ends a text with \[{spec.end_id}\], wanted .* 5; export"
    ):
        Tokenizer(path, replace(spec, end_id=5))


def test_padding_and_truncation_in_the_file_count_for_nothing(
    clip_tokenizer: RawTokenizer, tokenizer: Tokenizer, tmp_path: Path, spec: TextSpec
) -> None:
    raw = RawTokenizer.from_str(clip_tokenizer.to_str())
    raw.enable_truncation(4, direction="left")
    raw.enable_padding(length=20)
    path = tmp_path / "tokenizer.json"
    path.write_text(raw.to_str(), encoding="utf-8")
    texts = ["the dog and the dog", "the dog " * 50]
    assert Tokenizer(path, spec).encode_ragged(texts) == tokenizer.encode_ragged(texts)


def test_truncated_texts_are_logged_once_with_their_lengths(
    tokenizer: Tokenizer, caplog: pytest.LogCaptureFixture
) -> None:
    texts = ["dog", *["the dog " * n for n in (5, 6, 9, 50)], "the dog " * 5000, ""]
    with caplog.at_level(logging.WARNING):
        ids = tokenizer.encode_ragged(texts, on_cut="warn")
    assert ids == tokenizer.encode_ragged(texts)
    (said,) = caplog.messages
    assert said == (
        "4 of 7 texts are cut to 12 tokens: text 2 has 14, text 3 has 20, text 4 has 102 and 1 more"
    )


def test_texts_that_fit_are_not_logged(
    tokenizer: Tokenizer, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        for how in ("warn", "error"):
            assert len(tokenizer.encode_ragged(["the dog " * 5], on_cut=how)[0]) == CONTEXT
        tokenizer.encode_ragged(["the dog " * 50], on_cut="ignore")
    assert caplog.messages == []


def test_a_cut_may_be_refused(tokenizer: Tokenizer) -> None:
    with pytest.raises(TextError, match=r"text 1 has 14 tokens, wanted at most 12; shorten it"):
        tokenizer.encode(["dog", "the dog " * 6], on_cut="error")
    with pytest.raises(ValueError, match="on_cut is 'cut', not one of ignore, warn, error"):
        tokenizer.encode(["dog"], on_cut="cut")  # type: ignore[arg-type]


def test_a_tokenizer_without_an_end_token_is_taken_if_the_bundle_says_so(
    clip_tokenizer: RawTokenizer, tmp_path: Path, spec: TextSpec
) -> None:
    raw = RawTokenizer.from_str(clip_tokenizer.to_str())
    raw.post_processor = TemplateProcessing(single="$A", pair="$A $B", special_tokens=[])
    path = tmp_path / "tokenizer.json"
    path.write_text(raw.to_str(), encoding="utf-8")
    bare = Tokenizer(path, replace(spec, end_id=None, pad_id=0))
    assert bare.encode_ragged(["dog", ""]) == [raw.encode("dog").ids, []]
    assert bare.encode([""]).tolist() == [[0]]
    with pytest.raises(TextError, match=r"ends a text with \[\], wanted the end token"):
        Tokenizer(path, spec)


def test_siglip_cleans_to_lower_case_without_punctuation(path: Path, spec: TextSpec) -> None:
    siglip = Tokenizer(path, replace(spec, clean="siglip"))
    plain = Tokenizer(path, spec)
    assert siglip.encode_ragged(["  The dog,\n and --THE-- dog! "]) == plain.encode_ragged(
        ["the dog and the dog"]
    )


def test_a_long_text_is_cleaned_as_a_whole(path: Path, spec: TextSpec) -> None:
    siglip = Tokenizer(path, replace(spec, clean="siglip"))
    assert siglip.encode_ragged(["." * (3 * HEAD_CHARACTERS) + "dog"]) == siglip.encode_ragged(
        ["dog"]
    )


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("\u201cA dog\u2019s\u201d", '"a dog\'s"'),
        ("caf\u00c3\u00a9", "caf\u00e9"),
        ("a &amp;amp; b &lt;c&gt;", "a & b <c>"),
        ("\uff21\uff22 \uff11\uff12", "ab 12"),
        ("\ufb01ne", "fine"),
        ("a\x1b[31m dog\x00", "a dog"),
        ("  two \t\n words ", "two words"),
    ],
)
def test_openai_repairs_text(text: str, cleaned: str) -> None:
    pytest.importorskip("ftfy")
    assert cleaner("openai")(text) == cleaned


def test_open_clip_cleans_differently_for_other_tokenizers() -> None:
    pytest.importorskip("ftfy")
    assert cleaner("openai_cased")(" Caf\u00c3\u00a9  &amp; BAR ") == "Caf\u00e9 & BAR"
    assert cleaner("lower")(" A  &amp; B ") == " a  &amp; b "
    assert cleaner("canonical")(" Caf\u00c3\u00a9  &amp; snake_case! ") == "caf\u00e9 snake case"


def test_without_ftfy_the_cure_is_told(
    monkeypatch: pytest.MonkeyPatch, path: Path, spec: TextSpec
) -> None:
    monkeypatch.setitem(sys.modules, "ftfy", None)
    with pytest.raises(TextError, match=r"needs ftfy; pip install 'twinlens\[ftfy\]'"):
        Tokenizer(path, replace(spec, clean="openai"))
