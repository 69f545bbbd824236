"""The tokenizer of the demo model: any text encodes, and transformers loads it as CLIP's."""

from pathlib import Path

import pytest
from tokenizers import Tokenizer
from tokenizers.pre_tokenizers import ByteLevel
from transformers import CLIPTokenizerFast

from twinlens_demo.training.tokenizer import BOS, EOS, VOCABULARY, WORD_END, train_tokenizer

CAPTIONS = [
    f"{article} {colour} {thing}"
    for article in ("a", "the", "picture of a")
    for colour in ("red", "green", "yellow", "blue")
    for thing in ("apple", "dog", "police car", "musical keyboard", "flag", "umbrella with rain")
]
NASTY = [
    "",
    " ",
    "a red apple",
    "A RED   Apple!!",
    "it's the dog's 2nd flag",
    "crème brûlée",
    "cafe\u0301",
    "🍕🏳️‍🌈👨‍👩‍👧",
    "日本語 и русский",
    "\t\n\u00a0\u2028",
    "a\x00b\x7f",
    "\U0010ffff",
    "word" * 50,
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tokenizer")
    train_tokenizer(CAPTIONS, folder)
    return folder


@pytest.fixture(scope="module")
def tokenizer(folder: Path) -> Tokenizer:
    return Tokenizer.from_file(str(folder / "tokenizer.json"))


def test_every_byte_is_a_token_inside_a_word_and_at_its_end(tokenizer: Tokenizer) -> None:
    vocabulary = tokenizer.get_vocab()
    letters = ByteLevel.alphabet()
    assert len(letters) == 256
    assert all(letter in vocabulary and letter + WORD_END in vocabulary for letter in letters)


@pytest.mark.parametrize("text", NASTY)
def test_no_text_is_unknown(tokenizer: Tokenizer, text: str) -> None:
    end = tokenizer.token_to_id(EOS)  # the end token is the unknown token, too
    ids = tokenizer.encode(text).ids
    assert ids[0] == tokenizer.token_to_id(BOS)
    assert ids.index(end) == len(ids) - 1


def test_the_marks_are_the_last_two_ids(tokenizer: Tokenizer) -> None:
    size = tokenizer.get_vocab_size()
    assert size <= VOCABULARY
    assert (tokenizer.token_to_id(BOS), tokenizer.token_to_id(EOS)) == (size - 2, size - 1)
    assert sorted(tokenizer.get_vocab().values()) == list(range(size))


def test_a_frequent_word_is_one_token(tokenizer: Tokenizer) -> None:
    assert tokenizer.encode("apple").tokens == [BOS, "apple" + WORD_END, EOS]


def test_transformers_reads_the_same_ids(folder: Path, tokenizer: Tokenizer) -> None:
    theirs = CLIPTokenizerFast(tokenizer_file=str(folder / "tokenizer.json"))
    assert theirs(NASTY)["input_ids"] == [tokenizer.encode(text).ids for text in NASTY]
    theirs.save_pretrained(folder / "saved")
    loaded = CLIPTokenizerFast.from_pretrained(folder / "saved", local_files_only=True)
    assert loaded(NASTY)["input_ids"] == [tokenizer.encode(text).ids for text in NASTY]
