"""Token ids are those of transformers' CLIP tokenizer, read from the same file."""

# ruff: noqa: RUF001  letters that look alike are the point

import json
from pathlib import Path

import pytest
from random_texts import random_texts

from twinlens.bundle.specs import TextSpec
from twinlens.texts.tokenizer import Tokenizer

pytest.importorskip("transformers")

from transformers import CLIPTokenizerFast

pytestmark = pytest.mark.export

CHECKPOINT = Path(__file__).parents[2] / "export/demo_checkpoint/tokenizer.json"
CONTEXT = 77

TEXTS = [
    "",
    " ",
    "\t\n\r \u00a0\u2003\u3000",
    "a",
    "A Photo of a DOG.",
    "  leading,  trailing   and inner   space  ",
    "it's we're I'll they've I'd I'm don't 'twas O'Reilly's rock'n'roll",
    "it\u2019s \u201ccurly\u201d \u2013 \u2014 \u2026",
    "0 1 42 1984 3.14159 1,000,000 1e-9 ½ ² ٣ Ⅷ",
    "😀 👍🏽 👩‍👩‍👧‍👦 🇩🇪 🏴\U000e0067\U000e0062\U000e007f ❤️ ☎︎",
    "狗 犬と猫 강아지 สุนัข कुत्ता كلب כלב собака σκύλος Σίσυφος",
    "ﬁne ﬂag Ａ Ｂ Ｃ １２３ ｶﾀｶﾅ ℌ ™",
    "e\u0301 é a\u0308\u0323 Å \u212b ạ̈ q\u0307\u0323 " + "z" + "\u0301\u0327" * 40,
    "İstanbul ıI ß ẞ Ǆ ŉ ǰ",
    "&amp; &lt;b&gt; &#39;quoted&#39; &nbsp; &eacute;",
    "<b>bold</b> <|im_start|> <pad> </w> [CLS]",
    "\x00\x01\x07\x1b[0m\x1c\x1f\x7f\x80\x85\x9f",
    "zero\u200bwidth\u200djoiner\ufeffmark\u00adhyphen\u2028line\u2029paragraph",
    "mojibake: Ã©tÃ© â€œquotesâ€\x9d",
    "https://example.org/a_b?c=d&e=%20#f user@example.org C:\\\\temp /usr/bin",
    "snake_case camelCase kebab-case SHOUTING !!!???... ~~~ ^^^ *** $$$ 100% #1",
    "\u202eright to left\u202c \ufdd0 \uffff \U0010ffff",
    "supercalifragilisticexpialidocious" * 20,
    "word " * 500,
    "." * 1000,
    "7" * 300,
    "😀" * 300,
]


@pytest.fixture(scope="session", params=["tiny", "demo"])
def path(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    if request.param == "demo":
        if not CHECKPOINT.exists():
            pytest.skip(f"{CHECKPOINT} is not there")
        return CHECKPOINT
    path = tmp_path_factory.mktemp("tokenizer") / "tokenizer.json"
    tiny = request.getfixturevalue("clip_tokenizer")
    path.write_text(tiny.to_str(), encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def theirs(path: Path) -> CLIPTokenizerFast:
    """transformers' tokenizer; special tokens inside a text are text, as in the runtime."""
    return CLIPTokenizerFast.from_pretrained(path.parent, split_special_tokens=True)


@pytest.fixture(scope="session")
def ours(path: Path) -> Tokenizer:
    vocabulary = json.loads(path.read_text(encoding="utf-8"))["model"]["vocab"]
    end = vocabulary["<|endoftext|>"]
    return Tokenizer(path, TextSpec(context=CONTEXT, end_id=end, pad_id=end, trim=True))


def wanted(theirs: CLIPTokenizerFast, texts: list[str]) -> list[list[int]]:
    ids: list[list[int]] = theirs(texts, truncation=True, max_length=CONTEXT)["input_ids"]
    return ids


@pytest.mark.parametrize("text", TEXTS, ids=lambda text: ascii(text[:20]))
def test_nasty_texts_get_the_ids_of_transformers(
    ours: Tokenizer,
    theirs: CLIPTokenizerFast,
    text: str,
) -> None:
    assert ours.encode_ragged([text]) == wanted(theirs, [text])


def test_random_texts_get_the_ids_of_transformers(
    ours: Tokenizer, theirs: CLIPTokenizerFast
) -> None:
    texts = random_texts(500, excluded=("Cs", "Cn", "Co"), letters="ab's 1.\n<|>")
    assert ours.encode_ragged(texts) == wanted(theirs, texts)


def test_a_padded_batch_is_that_of_transformers(ours: Tokenizer, theirs: CLIPTokenizerFast) -> None:
    batch = theirs(TEXTS, truncation=True, max_length=CONTEXT, padding="longest")
    assert ours.encode(TEXTS).tolist() == batch["input_ids"]


def test_only_a_marker_differs_from_transformers_default(path: Path, ours: Tokenizer) -> None:
    """By default transformers lets a special token inside a text end it."""
    default = CLIPTokenizerFast.from_pretrained(path.parent)
    plain = [text for text in TEXTS if "<|" not in text]
    assert ours.encode_ragged(plain) == wanted(default, plain)
    end = ours.encode_ragged([""])[0][-1]
    marked = "a dog<|endoftext|> and more"
    assert wanted(default, [marked])[0].count(end) == 2
    assert ours.encode_ragged([marked])[0].count(end) == 1
