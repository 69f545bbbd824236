"""A service asked once a second, as it is, and kept awake by a caption every 100 ms."""

from functools import partial
from typing import Any, Final

from bench.serving.contenders import OURS
from bench.serving.setting import Setting

Facts = dict[str, Any]

ASLEEP: Final = "alone, asked once a second"
AWAKE: Final = "alone, asked once a second, kept awake"
SECONDS: Final = 24.0
SELDOM: Final = (
    {"name": "text", "kind": "text", "rate": 1.0, "arrivals": "even"},
    # Another rate, so that the two do not come together.
    {"name": "image", "kind": "image", "rate": 0.93, "arrivals": "even"},
)
CALLS: Final = {"name": "calls", "kind": "text", "rate": 10.0, "arrivals": "even"}


def keep_awake(setting: Setting) -> None:
    """Ask ours alone, twice: without and with calls that keep caches and cores warm."""
    for name, streams in ((ASLEEP, SELDOM), (AWAKE, (*SELDOM, CALLS))):
        question: Facts = {
            "do": "open",
            "streams": list(streams),
            "seconds": SECONDS * setting.seconds,
            "warm_s": 1.0,
            "seed": setting.seed(),
        }
        for contender in setting.contenders():
            if contender.name == OURS:
                setting.measure(name, contender, partial(setting.ask, contender, question))
