"""Token ids of OpenCLIP checkpoints: those of open_clip's own tokenizer, at full length."""

# ruff: noqa: RUF001  letters that look alike are the point

from pathlib import Path
from typing import Any

import pytest
from random_texts import random_texts

from twinlens.texts.tokenizer import Tokenizer

pytest.importorskip("transformers")

from twinlens_export.checkpoints.open_clip.tokenizer import read_open_clip_tokenizer

pytestmark = pytest.mark.export

CONTEXT = 77

TEXTS = [
    "",
    " ",
    "\t\n\r \u00a0\u2003\u3000",
    "A Photo of a DOG.",
    "  leading,  trailing   and inner   space  ",
    "it's we're I'll THEY'VE i'D I'm don't 'twas O'Reilly's rock'n'roll",
    "it\u2019s \u201ccurly\u201d \u2013 \u2014 \u2026",
    "0 1 42 1984 3.14159 1,000,000 1e-9 ½ ² ٣ Ⅷ",
    "😀 👍🏽 👩‍👩‍👧‍👦 🇩🇪 ❤️ ☎︎",
    "狗 犬と猫 강아지 สุนัข कुत्ता كلب כלב собака Σίσυφος",
    "ﬁne ﬂag Ａ Ｂ １２３ ｶﾀｶﾅ ℌ ™ \u212a\u017f '\u017f",
    "e\u0301 é a\u0308\u0323 Å \u212b",
    "İstanbul ıI ß ẞ Ǆ ŉ ǰ",
    "&amp; &lt;b&gt; &#39;quoted&#39; &nbsp; &amp;amp;amp;",
    "<b>bold</b> <|im_start|> </w> start_of_text",
    "\x00\x01\x07\x1b[0m\x1c\x1f\x7f\x80\x85\x9f",
    "zero\u200bwidth\u200djoiner\ufeffmark\u00adhyphen\u2028line\u2029paragraph",
    "mojibake: Ã©tÃ© â€œquotesâ€\x9d",
    "snake_case camelCase SHOUTING !!!???... ~~~ ^^^ *** $$$ 100% #1",
    "supercalifragilisticexpialidocious" * 20,
    "word " * 500,
    "7" * 300,
]


@pytest.fixture(scope="module")
def theirs() -> Any:  # noqa: ANN401
    try:
        from open_clip.tokenizer import SimpleTokenizer  # noqa: PLC0415
    except (ImportError, RuntimeError) as error:  # torchvision's, where it does not fit torch
        pytest.skip(f"open_clip is not there ({error})")
    return SimpleTokenizer(context_length=CONTEXT)


@pytest.fixture(scope="module")
def ours(theirs: Any, tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:  # noqa: ANN401
    loaded = read_open_clip_tokenizer(theirs, context=CONTEXT, trim=False, options={})
    path = Path(tmp_path_factory.mktemp("words") / "tokenizer.json")
    path.write_text(loaded.json, encoding="utf-8")
    return Tokenizer(path, loaded.spec)


@pytest.mark.parametrize("text", TEXTS, ids=lambda text: ascii(text[:20]))
def test_nasty_texts_get_the_ids_of_open_clip(
    text: str,
    ours: Tokenizer,
    theirs: Any,  # noqa: ANN401
) -> None:
    assert ours.encode([text]).tolist() == theirs([text]).tolist()


def test_random_texts_get_the_ids_of_open_clip(ours: Tokenizer, theirs: Any) -> None:  # noqa: ANN401
    texts = random_texts(500, excluded=("Cs", "Cn", "Co"), letters="ab'S 1.\n<|>_")
    assert ours.encode(texts).tolist() == theirs(texts).tolist()
