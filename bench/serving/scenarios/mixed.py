"""Searches beside uploads: texts, and requests of 32 images at a time, apart or overlapping."""

from functools import partial
from typing import Final

from bench.serving.setting import Setting

NAME: Final = "40 texts a second beside 32 images every 2 s"
OVERLAPPING: Final = "40 texts a second beside 32 images at random, one a second"
TEXTS_A_SECOND: Final = 40.0
BULK: Final = {
    NAME: {"name": "bulk", "kind": "images", "rate": 0.5, "arrivals": "even"},
    OVERLAPPING: {"name": "bulk", "kind": "images", "rate": 1.0},
}
SECONDS: Final = 16.0


def mix(setting: Setting) -> None:
    """Ask all contenders; the text's p99 is what tells them apart."""
    for name, bulk in BULK.items():
        question = {
            "do": "open",
            "streams": [{"name": "text", "kind": "text", "rate": TEXTS_A_SECOND}, bulk],
            "seconds": SECONDS * setting.seconds,
            "warm_s": 1.0,
            "seed": setting.seed(),
        }
        for contender in setting.contenders():
            setting.measure(name, contender, partial(setting.ask, contender, question))
