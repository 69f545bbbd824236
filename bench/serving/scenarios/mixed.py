"""Searches beside an upload: texts, and a request of 32 images every two seconds."""

from functools import partial
from typing import Final

from bench.serving.setting import Setting

NAME: Final = "40 texts a second beside 32 images every 2 s"
TEXTS_A_SECOND: Final = 40.0
EVERY_S: Final = 2.0
SECONDS: Final = 16.0


def mix(setting: Setting) -> None:
    """Ask all contenders; the text's p99 is what tells them apart."""
    question = {
        "do": "open",
        "streams": [
            {"name": "text", "kind": "text", "rate": TEXTS_A_SECOND},
            {"name": "bulk", "kind": "images", "rate": 1 / EVERY_S, "arrivals": "even"},
        ],
        "seconds": SECONDS * setting.seconds,
        "warm_s": 1.0,
        "seed": setting.seed(),
    }
    for contender in setting.contenders():
        setting.measure(NAME, contender, partial(setting.ask, contender, question))
