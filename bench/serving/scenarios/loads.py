"""Loads that a service can bear: saturation, shares of it, and one rate for all."""

from functools import partial
from typing import Any, Final

from bench.serving.contenders import OURS, PLAIN
from bench.serving.setting import Setting

Facts = dict[str, Any]

SATURATIONS: Final = {
    # Kind of requests, callers.
    "saturation, text": ("text", 64),
    "saturation, 32 texts a request": ("texts", 8),
    "saturation, image": ("image", 32),
}
SATURATION_S: Final = 5.0
SHARES: Final = (
    *(("text", part) for part in (0.1, 0.3, 0.6, 0.9)),
    *(("image", part) for part in (0.3, 0.6)),
)
MIDDLE: Final = 0.6
ALL_SHARES: Final = frozenset({OURS, PLAIN})
"""Contenders that get all shares; the others get the middle one."""
SHARE_S: Final = 6.0
SAME_RATE: Final = 60.0
"""Texts a second for every contender: the CPU that they cost."""


def saturate(setting: Setting) -> None:
    """Ask in a closed loop: the most that a service gives."""
    for name, (kind, callers) in SATURATIONS.items():
        for contender in setting.contenders():
            question = {
                "do": "closed",
                "kinds": [kind],
                "callers": callers,
                "seconds": SATURATION_S * setting.seconds,
                "warm_s": 1.0,
            }
            setting.measure(name, contender, partial(setting.ask, contender, question))


def share(setting: Setting) -> None:
    """Ask in an open loop at shares of each service's own saturation."""
    for kind, part in SHARES:
        for contender in setting.contenders():
            if part != MIDDLE and contender.name not in ALL_SHARES:
                continue
            rate = part * setting.saturation(contender, f"saturation, {kind}")
            question = open_question(setting, kind, rate)
            name = f"{kind}s at {part:.0%}"
            setting.measure(name, contender, partial(setting.ask, contender, question))


def same_rate(setting: Setting) -> None:
    """Ask every service for SAME_RATE texts a second."""
    for contender in setting.contenders():
        question = open_question(setting, "text", SAME_RATE)
        name = f"{SAME_RATE:.0f} texts a second"
        setting.measure(name, contender, partial(setting.ask, contender, question))


def open_question(setting: Setting, kind: str, rate: float) -> Facts:
    return {
        "do": "open",
        "streams": [{"name": kind, "kind": kind, "rate": rate}],
        "seconds": SHARE_S * setting.seconds,
        "warm_s": 1.0,
        "seed": setting.seed(),
    }
