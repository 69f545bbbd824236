"""Texts on which tokenizers differ: special tokens, unknown letters, marks, scripts, lengths."""

# ruff: noqa: RUF001  letters that look alike are the point

from collections.abc import Iterable
from typing import Final

ODD_TEXTS: Final = (
    "",
    " ",
    "\t\n\r \u00a0\u2003\u3000",
    "a",
    "A Photo of a DOG.",
    "  leading,  trailing   and inner   space  ",
    "it's we're I'll they've I'd I'm don't 'twas O'Reilly's",
    "it\u2019s \u201ccurly\u201d \u2013 \u2014 \u2026",
    "0 1 42 1984 3.14159 1,000,000 1e-9 ½ ² ٣ Ⅷ",
    "a red box \N{PACKAGE}",
    "😀 👍🏽 👩‍👩‍👧‍👦 🇩🇪 ❤️ ☎︎",
    "船",
    "箱",
    "лодка",
    "狗 犬と猫 강아지 สุนัข कुत्ता كلب כלב собака σκύλος Σίσυφος",
    "naïve café Straße",
    "ﬁne ﬂag Ａ Ｂ １２３ ｶﾀｶﾅ ℌ ™",
    "e\u0301 é a\u0308\u0323 Å \u212b",
    "z\u0301\u0327\u0323\u0308",
    "İstanbul ıI ß ẞ Ǆ ŉ ǰ",
    "&amp; &lt;b&gt; &#39;quoted&#39; &nbsp;",
    "<b>bold</b> [b] {c} </w> ##s ▁a ▁ b▁",
    "\x01\x07\x1b[0m\x1c\x1f\x7f\x85",
    "zero\u200bwidth\u200djoiner\ufeffmark\u00adhyphen\u2028line\u2029paragraph",
    "mojibake: Ã©tÃ© â€œquotesâ€\x9d",
    "snake_case camelCase kebab-case SHOUTING !!!???... ~~~ ^^^ *** $$$ 100% #1",
    "\u202eright to left\u202c \U0010ffff",
    "supercalifragilisticexpialidocious" * 20,
    "a dog " * 1000,
    "." * 1000 + " and a dog",
    "7" * 300,
    "😀" * 300,
)


def texts_with(words: Iterable[str]) -> list[str]:
    """Return texts with each of the words alone, between others, and inside another word."""
    return [text for word in words for text in (word, f"a {word} b", f"a dog{word}s")]
