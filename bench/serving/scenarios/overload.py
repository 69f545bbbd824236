"""Three times as many texts as a service can embed, and a calm after them."""

import time
from typing import Any, Final

from bench.serving.contenders import LITSERVE, OURS, PLAIN, THREADS, Contender
from bench.serving.scenarios.loads import SAME_RATE
from bench.serving.setting import Setting

Facts = dict[str, Any]

NAME: Final = "3x overload"
FLOODED: Final = frozenset({OURS, THREADS, LITSERVE, PLAIN})
"""The engine shares a process with the generator, whose memory grows; infinity would need minutes
to come back."""
TIMES: Final = 3.0
SECONDS: Final = 8.0
CALM_S: Final = 4.0
REST_S: Final = 1.0
BOUND_MS: Final = 2500.0
"""Longest wait of accepted requests: the engine's bound of a queue, 2 s, and a quarter more."""


def overload(setting: Setting) -> None:
    for contender in setting.contenders():
        if contender.name not in FLOODED:
            continue
        setting.measure(NAME, contender, lambda one=contender: flood(setting, one))


def flood(setting: Setting, contender: Contender) -> Facts:
    """Ask before, in and after a flood; memory is that of the server before and after."""
    rate = setting.saturation(contender, "saturation, text")

    def ask(rate: float, seconds: float) -> Facts:
        return setting.ask(
            contender,
            {
                "do": "open",
                "streams": [{"name": "text", "kind": "text", "rate": rate}],
                "seconds": seconds * setting.seconds,
                "warm_s": 0.5,
                "seed": setting.seed(),
            },
        )

    def memory() -> float:
        with setting.server(contender) as server:
            return server.memory_mb()

    before = ask(SAME_RATE, CALM_S)
    ask(TIMES * rate, SECONDS / 2)  # the first flood makes room for a full queue, once
    time.sleep(REST_S)
    mb_before = memory()
    flooded = ask(TIMES * rate, SECONDS)
    time.sleep(REST_S)
    after = ask(SAME_RATE, CALM_S)
    return {
        "flood": flooded["text"] | {"cores": flooded["cores"]},
        "calm_before": before["text"],
        "calm_after": after["text"],
        "mb_before": mb_before,
        "mb_after": memory(),
        "neighbours": flooded["neighbours"],
    }
